import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { createPostgresBackend, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type Handlers, type JobName, type OpenQueue, openQueue } from '../src/index.ts'
import { type RedisProcess, startRedis, withServers } from '../testing/index.ts'
import { startCuttableProxy } from './cuttable-proxy.ts'

const redis = process.env.TEST_REDIS_URL
const withRedis = redis ? {} : { skip: 'no redis-server on this machine' }
const few: Record<JobName, number> = {
  'send-mail': 4,
  'export-accounts': 2,
  'erase-accounts': 1,
}

t.test('on PostgreSQL', (t) => onAnyBackend(t, postgres))
t.test('on Redis', withRedis, (t) => onAnyBackend(t, onRedis))

type RawQueue = Pick<Queue, 'add' | 'getJobCounts' | 'pause'>

interface Opened {
  queue: OpenQueue
  errors: Error[]
  /** Opens the same BullMQ queue directly. */
  raw<T>(name: JobName, use: (queue: RawQueue) => Promise<T>): Promise<T>
}

async function onAnyBackend(t: Test, open: (t: Test) => Promise<Opened>) {
  t.test('each job reaches its handler, once, and leaves nothing behind', async (t) => {
    const { queue, raw } = await open(t)
    const seen: string[] = []
    await work(t, queue, {
      'send-mail': async ({ lease }) => void seen.push(`mail ${lease}`),
      'export-accounts': async ({ lease }) => void seen.push(`export ${lease}`),
      'erase-accounts': async ({ lease }) => void seen.push(`erase ${lease}`),
    })
    const leases = [randomUUID(), randomUUID()]
    await queue.publish('send-mail', leases)
    await queue.publish('export-accounts', leases)
    await queue.publish('erase-accounts', leases)
    await until('all are done', () => seen.length === 6)
    t.strictSame(
      seen.sort(byText),
      ['erase', 'export', 'mail']
        .flatMap((job) => leases.map((lease) => `${job} ${lease}`))
        .sort(byText),
    )
    await until('none is active', async () => (await queue.counts('send-mail')).active === 0)
    const left = await raw('send-mail', (bullmq) => bullmq.getJobCounts())
    t.ok(Object.hasOwn(left, 'completed'))
    t.strictSame(new Set(Object.values(left)), new Set([0]))
  })

  t.test('publishing a lease again while its job waits adds no job', async (t) => {
    const { queue } = await open(t)
    const lease = randomUUID()
    await queue.publish('send-mail', [lease])
    await queue.publish('send-mail', [lease, randomUUID()])
    t.strictSame(await queue.counts('send-mail'), { waiting: 2, active: 0, failed: 0 })
  })

  t.test('a malformed job fails, is listed, and delays no other job', async (t) => {
    const { queue, raw } = await open(t)
    const smuggle = (name: string, data: unknown) =>
      raw('send-mail', (bullmq) => bullmq.add(name, data))
    await smuggle('make-coffee', { lease: randomUUID() })
    await smuggle('send-mail', { lease: 'eve@example.com' })
    await smuggle('send-mail', { lease: randomUUID(), to: 'eve@example.com' })
    await smuggle('send-mail', null)
    let done = 0
    await work(t, queue, { 'send-mail': async () => void done++ })
    await queue.publish('send-mail', [randomUUID()])
    await until('the good job is done', () => done === 1)
    await until('all bad ones are aside', async () => {
      return (await queue.counts('send-mail')).failed === 4
    })
    const failed = await queue.failedJobs(10)
    t.strictSame(failed.map(({ name, code }) => `${name}: ${code}`).sort(byText), [
      'make-coffee: unknown-job',
      'send-mail: malformed-payload',
      'send-mail: malformed-payload',
      'send-mail: malformed-payload',
    ])
  })

  t.test('waiting jobs of a paused queue are counted', async (t) => {
    const { queue, raw } = await open(t)
    await raw('send-mail', (bullmq) => bullmq.pause())
    await queue.publish('send-mail', [randomUUID(), randomUUID()])
    t.strictSame(await queue.counts('send-mail'), { waiting: 2, active: 0, failed: 0 })
  })

  t.test(
    'an error of a handler is reported, and its message is not stored in the queue',
    async (t) => {
      const { queue, errors } = await open(t)
      await work(t, queue, { 'send-mail': () => Promise.reject(new Error('eve@example.com')) })
      await queue.publish('send-mail', [randomUUID()])
      await until('the error is reported', () =>
        errors.some(({ message }) => message === 'eve@example.com'),
      )
      await until('the job is gone', async () => (await queue.counts('send-mail')).active === 0)
      t.strictSame(await queue.failedJobs(10), [])
    },
  )

  t.test('hanging jobs delay no job of another kind', async (t) => {
    const { queue } = await open(t)
    const hang = Promise.withResolvers<void>()
    let erased = 0
    const worker = await work(t, queue, {
      'send-mail': () => hang.promise,
      'erase-accounts': async () => void erased++,
    })
    await queue.publish(
      'send-mail',
      Array.from({ length: 20 }, () => randomUUID()),
    )
    await until('every slot is taken', async () => (await queue.counts('send-mail')).active === 4)
    await queue.publish('erase-accounts', [randomUUID()])
    await until('the erasure is done', () => erased === 1)
    t.equal((await queue.counts('send-mail')).active, 4, 'while the mails still hang')
    hang.resolve()
    await worker.close()
  })

  t.test('closing the worker waits for running jobs', async (t) => {
    const { queue } = await open(t)
    const end = Promise.withResolvers<void>()
    const log: string[] = []
    const worker = await work(t, queue, {
      async 'send-mail'() {
        log.push('begun')
        await end.promise
        log.push('done')
      },
    })
    await queue.publish('send-mail', [randomUUID()])
    await until('it has begun', () => log.length === 1)
    const closed = worker.close().then(() => log.push('closed'))
    end.resolve()
    await closed
    t.strictSame(log, ['begun', 'done', 'closed'])
    t.match(await queue.counts('send-mail'), { active: 0 })
  })

  t.test('closing the worker waits for a job that was on its way to it', async (t) => {
    const { queue } = await open(t)
    const log: string[] = []
    const closed = Promise.withResolvers<void>()
    const worker = await work(t, queue, {
      async 'erase-accounts'() {
        log.push('begun')
        // The worker reports the first job as done and asks for the next one.
        if (log.length === 1) setImmediate(() => closed.resolve(worker.close()))
        // Longer than the worker waits for an unreachable server.
        else await setTimeout(2_000)
        log.push('done')
      },
    })
    await queue.publish('erase-accounts', [randomUUID(), randomUUID()])
    await closed.promise
    t.strictSame(log, ['begun', 'done', 'begun', 'done'])
    t.match(await queue.counts('erase-accounts'), { active: 0 })
  })
}

t.test('on PostgreSQL, lost connections are replaced', async (t) => {
  const { db, url } = await testDb(t)
  const queue = await openQueue({ databaseUrl: url })
  t.teardown(() => queue.close())
  let done = 0
  await work(t, queue, { 'send-mail': async () => void done++ })
  await queue.publish('send-mail', [randomUUID()])
  await until('the first is done', () => done === 1)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(db)
  await until('it takes jobs again', () => published(queue))
  await until('and does them', () => done === 2)
  t.match(await queue.counts('send-mail'), { waiting: 0 })
})

t.test('on PostgreSQL, an outage before the first job is not remembered', async (t) => {
  const { url } = await testDb(t)
  const way = await startCuttableProxy(t, url)
  const queue = await openQueue({ databaseUrl: way.url })
  t.teardown(() => queue.close())
  await way.cut()
  await t.rejects(queue.publish('send-mail', [randomUUID()]))
  await way.mend()
  await until('it takes jobs again', () => published(queue))
  t.match(await queue.counts('send-mail'), { waiting: 1 })
})

t.test('on PostgreSQL, a worker that cannot start one job name runs none of them', async (t) => {
  const { url } = await testDb(t)
  const way = await startCuttableProxy(t, url)
  const open = async () => {
    const queue = await openQueue({ databaseUrl: way.url })
    t.teardown(() => queue.close())
    return queue
  }
  const first = await open()
  // The first job name uses the connection that is already open.
  way.admit(1)
  await t.rejects(work(t, first, {}), 'it says so')
  await first.close()
  way.admit(Number.POSITIVE_INFINITY)
  const second = await open()
  let done = false
  await work(t, second, {
    'send-mail': async () => {
      done = true
    },
  })
  await until('it takes jobs', () => published(second))
  await until('and the next try does them', () => done)
})

t.test(
  'on PostgreSQL, a job is found even if its notification was lost after an outage',
  async (t) => {
    const { db, url } = await testDb(t)
    const errors: Error[] = []
    const queue = await openQueue({ databaseUrl: url, onError: (error) => errors.push(error) })
    t.teardown(() => queue.close())
    const other = await openQueue({ databaseUrl: url, name: 'other' })
    t.teardown(() => other.close())
    await other.publish('send-mail', [randomUUID()])
    let done = 0
    await work(t, queue, { 'send-mail': async () => void done++ })
    const admin = connect(new URL('/postgres', url).href)
    t.teardown(() => admin.destroy())
    const name = new URL(url).pathname.slice(1)
    await until('all listen', async () => (await listeners(admin, name)) === 3)
    await admitting(admin, name, false)
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(
      admin,
    )
    await until('each has tried to listen in vain, and again', () => refusals(errors) > 40)
    await admitting(admin, name, true)
    await until('all listen again', async () => (await listeners(admin, name)) === 3)
    // A job of another queue moves here without a notification.
    await sql`update bullmq.job set queue = 'lethe-send-mail' where queue = 'other-send-mail'`.execute(
      db,
    )
    await until('it is done', () => done === 1)
  },
)

t.test(
  'publishing fails at once while Redis is down, and works again afterwards',
  withRedis,
  async (t) => {
    const way = await startCuttableProxy(t, redis ?? '')
    await way.cut()
    const queue = await openQueue({ redisUrl: way.url, databaseUrl: '', name: uniqueName() })
    t.teardown(() => queue.close())
    let done = 0
    await work(t, queue, { 'send-mail': async () => void done++ })
    for (let outage = 1; outage <= 2; outage++) {
      const watch = startStopwatch()
      await t.rejects(queue.publish('send-mail', [randomUUID()]))
      await t.rejects(queue.counts('send-mail'))
      await holdsWithin(t, watch, 1_000, 'at once')
      await way.mend()
      await until('it takes jobs again', () => published(queue))
      await until('and does them', () => done === outage)
      await way.cut()
    }
  },
)

t.test('a worker closes while Redis is down', withRedis, async (t) => {
  const way = await startCuttableProxy(t, redis ?? '')
  let refused = 0
  const onError = ({ code }: NodeJS.ErrnoException) => {
    if (code === 'ECONNREFUSED') refused++
  }
  const settings = { redisUrl: way.url, databaseUrl: '', name: uniqueName() }
  const queue = await openQueue({ ...settings, onError })
  const worker = await work(t, queue, {})
  await until('it is connected', () => published(queue))
  await way.cut()
  await until('each connection has tried twice', () => refused > 20)
  const watch = startStopwatch()
  await worker.close()
  await queue.close()
  await holdsWithin(t, watch, 5_000, 'closed')
})

t.test('connects to the new master after a failover', withServers, async (t) => {
  const [first, second] = [await startRedis(t), await startRedis(t)]
  const at = ({ port }: RedisProcess) => `redis://127.0.0.1:${port}`
  const way = await startCuttableProxy(t, at(first))
  const queue = await openQueue({ redisUrl: way.url, databaseUrl: '', name: uniqueName() })
  t.teardown(() => queue.close())
  let done = 0
  await work(t, queue, { 'send-mail': async () => void done++ })
  await queue.publish('send-mail', [randomUUID()])
  await until('the first is done', () => done === 1)
  way.lead(at(second))
  await first.command('replicaof', '127.0.0.1', String(second.port))
  await until('it takes jobs again', () => published(queue))
  await until('and does them', () => done === 2)
})

t.test('a job that Redis evicted fails and is listed by its id', withRedis, async (t) => {
  const name = uniqueName()
  const queue = await openQueue({ redisUrl: redis, databaseUrl: '', name })
  t.teardown(() => queue.close())
  const admin = new Redis(redis ?? '')
  t.teardown(() => admin.disconnect())
  await queue.publish('send-mail', [randomUUID()])
  const [id = ''] = await admin.lrange(`bull:{${name}-send-mail}:wait`, 0, -1)
  await admin.del(`bull:{${name}-send-mail}:${id}`)
  await work(t, queue, {})
  await until('it is aside', async () => (await queue.counts('send-mail')).failed === 1)
  t.match(await queue.failedJobs(10), [{ name: '', id, code: 'unknown-job' }])
})

t.test('keeps no more evicted jobs than other failed jobs', withRedis, async (t) => {
  const name = uniqueName()
  const queue = await openQueue({ redisUrl: redis, databaseUrl: '', name })
  t.teardown(() => queue.close())
  const admin = new Redis(redis ?? '')
  t.teardown(() => admin.disconnect())
  const leases = Array.from({ length: 1_020 }, () => randomUUID())
  await queue.publish('send-mail', leases)
  await admin.del(leases.map((lease) => `bull:{${name}-send-mail}:send-mail-${lease}`))
  await work(t, queue, {})
  await until('all are aside', async () => {
    const { waiting, active } = await queue.counts('send-mail')
    return waiting + active === 0
  })
  t.equal((await queue.counts('send-mail')).failed, 1_000)
})

t.test('a user and a password in REDIS_URL are used', withRedis, async (t) => {
  const url = new URL(redis ?? '')
  const admin = new Redis(url.href)
  const name = uniqueName()
  await admin.acl('SETUSER', name, 'on', '>p@ss/word', '~*', '&*', '+@all')
  t.teardown(async () => {
    await admin.acl('DELUSER', name)
    admin.disconnect()
  })
  url.username = name
  url.password = encodeURIComponent('p@ss/word')
  const queue = await openQueue({ redisUrl: url.href, databaseUrl: '', name })
  t.teardown(() => queue.close())
  await until('it takes jobs', () => published(queue))
  const clients = String(await admin.client('LIST'))
  t.match(clients, `user=${name} `)
})

t.test('a user with too few rights is reported, and blocks nothing else', withRedis, async (t) => {
  const url = new URL(redis ?? '')
  const admin = new Redis(url.href)
  const name = uniqueName()
  await admin.acl('SETUSER', name, 'on', '>password', '~*', '&*', '+@all', '-info')
  t.teardown(async () => {
    await admin.acl('DELUSER', name)
    admin.disconnect()
  })
  url.username = name
  url.password = 'password'
  const told: string[] = []
  const onError = ({ message }: Error) => void told.push(message)
  const queue = await openQueue({ redisUrl: url.href, databaseUrl: '', name, onError })
  t.teardown(() => queue.close())
  await work(t, queue, {})
  await until('the error is reported', () => told.some((message) => message.startsWith('NOPERM')))
  await t.rejects(queue.publish('send-mail', [randomUUID()]), /NOPERM/)
})

async function admitting(admin: Db, database: string, admits: boolean): Promise<void> {
  await sql`alter database ${sql.id(database)} allow_connections ${sql.lit(admits)}`.execute(admin)
}

function refusals(errors: Error[]): number {
  return errors.filter((error) => 'code' in error && error.code === '55000').length
}

/** Counts the connections of workers that wait for notifications: their last statement is LISTEN. */
async function listeners(admin: Db, database: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pg_stat_activity
    where datname = ${database} and state = 'idle' and query ilike '%listen%bullmq_jobs%'`.execute(
    admin,
  )
  return rows[0]?.count ?? 0
}

async function postgres(t: Test): Promise<Opened> {
  const { url } = await testDb(t)
  const errors: Error[] = []
  const queue = await openQueue({ databaseUrl: url, onError: (error) => errors.push(error) })
  t.teardown(() => queue.close())
  return {
    queue,
    errors,
    async raw(name, use) {
      const pool = new pg.Pool({ connectionString: url, options: '-c search_path=bullmq' })
      const bullmq = new Queue(
        `lethe-${name}`,
        { connection: pool as never },
        createPostgresBackend,
      )
      try {
        return await use(bullmq)
      } finally {
        await bullmq.close()
        await pool.end()
      }
    },
  }
}

async function onRedis(t: Test): Promise<Opened> {
  const errors: Error[] = []
  const prefix = uniqueName()
  const queue = await openQueue({
    redisUrl: redis,
    databaseUrl: '',
    name: prefix,
    onError: (error) => errors.push(error),
  })
  t.teardown(() => queue.close())
  return {
    queue,
    errors,
    async raw(name, use) {
      const connection = new Redis(redis ?? '')
      const bullmq = new Queue(`{${prefix}-${name}}`, { connection })
      try {
        return await use(bullmq)
      } finally {
        await bullmq.close()
        connection.disconnect()
      }
    },
  }
}

async function work(t: Test, queue: OpenQueue, handlers: Partial<Handlers>) {
  const idle = async () => {}
  const worker = await queue.startWorker(
    { 'send-mail': idle, 'export-accounts': idle, 'erase-accounts': idle, ...handlers },
    few,
  )
  t.teardown(() => worker.close())
  return worker
}

async function published(queue: OpenQueue): Promise<boolean> {
  try {
    await queue.publish('send-mail', [randomUUID()])
    return true
  } catch {
    return false
  }
}

const byText = (a: string, b: string) => (a < b ? -1 : 1)

function uniqueName(): string {
  return `test-${randomUUID()}`
}
