import { randomUUID } from 'node:crypto'
import type { Person } from '@lethe/accounts/testing'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import {
  type RedisProcess,
  startCluster,
  startSentinels,
  whenReplica,
  withServers,
} from '@lethe/queue/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { startWorker } from '../src/worker.ts'
import { type Setup, setup } from './setup.ts'

t.test(
  'deletions go on while Sentinels change the master, and change it back',
  withServers,
  async (t) => {
    const { url, servers, sentinels } = await startSentinels(t)
    const [first, second] = servers
    await deletionsThrough(
      t,
      url,
      [...servers, ...sentinels],
      [
        () => first.kill(),
        async () => {
          await first.start()
          // As the Sentinels would some seconds later.
          await first.command('replicaof', '127.0.0.1', String(second.port))
          await whenReplica(first, second)
          // Cut off instead of killed: nobody is told that their connection is of no use any more.
          second.freeze()
        },
      ],
    )
  },
)

t.test(
  'deletions go on while a cluster replaces a master, and puts it back',
  withServers,
  async (t) => {
    const cluster = await startCluster(t)
    const masterOf = (queueName: string) => cluster.masterOf(`bull:{${queueName}-send-mail}:wait`)
    let first: RedisProcess
    await deletionsThrough(t, cluster.url, cluster.nodes, [
      async (queueName) => {
        first = await masterOf(queueName)
        await first.kill()
      },
      async (queueName) => {
        await first.start()
        const second = await masterOf(queueName)
        await whenReplica(first, second)
        await second.kill()
      },
    ])
  },
)

type Blow = (queueName: string) => Promise<void>

/** Two workers, and deletions that are asked for and come due before, during and after each blow. */
async function deletionsThrough(
  t: Test,
  redisUrl: string,
  servers: RedisProcess[],
  blows: Blow[],
): Promise<void> {
  const s = await setup(t, { gracePeriod: 'PT3S' })
  const queueName = `test-${randomUUID()}`
  const options = { databaseUrl: s.databaseUrl, redisUrl, queueName, host: '127.0.0.1', port: 0 }
  const workers = [await startWorker(s.deps, options), await startWorker(s.deps, options)]
  for (const worker of workers) t.teardown(() => worker.close())
  for (const blow of blows) {
    const [before, after] = [await signUp(s), await signUp(s)]
    for (const person of before) await s.request(person)
    await until('mails leave', () => mailsTo(s, before).length > 0)
    await blow(queueName)
    for (const person of after) await s.request(person)
    await until('mails leave again', () => mailsTo(s, after).length > 0)
    await lendLostAgain(s)
  }
  await until('every row is settled', async () => (await unsettled(s)) === 0)

  const { rows } =
    await sql`select from public.deletions where erased_at is null or erased_at < erase_after`.execute(
      s.db,
    )
  t.strictSame(rows, [], 'all are erased, and none before its date')
  t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
  const mails = await s.db.selectFrom('outbox').select('id').where('status', '=', 'sent').execute()
  const left = s.sink.received.map(({ email }) => email.messageId?.match(/[\w-]+/)?.[0])
  t.equal(left.length, new Set(left).size, 'no mail has left twice')
  t.strictSame(new Set(left), new Set(mails.map(({ id }) => id)), 'and none is missing')

  await Promise.all(servers.map((server) => server.kill()))
  const watch = startStopwatch()
  await Promise.all(workers.map((worker) => worker.close()))
  await holdsWithin(t, watch, 5_000, 'the workers close while nobody is there any more')
}

const signUp = (s: Setup) => Promise.all(Array.from({ length: 4 }, () => s.person()))

function mailsTo({ sink }: Setup, people: Person[]) {
  const addresses = new Set(people.map(({ user }) => user.email))
  return sink.received.filter(({ to }) => addresses.has(to[0] ?? ''))
}

/** As if half a minute had passed: what was lent to a queue that lost it is free again. */
async function lendLostAgain({ db }: Setup): Promise<void> {
  for (const table of ['outbox', 'exports', 'deletions'])
    await sql`update ${sql.table(`public.${table}`)} set next_attempt_at = now()
      where lease is not null and next_attempt_at > now() + interval '10 seconds'`.execute(db)
}

async function unsettled({ db }: Setup): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select (select count(*) from public.outbox where status = 'pending')
         + (select count(*) from public.deletions where status in ('pending', 'erasing'))
         + (select count(*) from public.exports where status = 'pending') as open`.execute(db)
  return Number(rows[0]?.open)
}
