import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { relayMails } from '../src/relay.ts'
import { startWorker, type WorkerOptions } from '../src/worker.ts'
import { type Setup, setup } from './setup.ts'

const redis = process.env.TEST_REDIS_URL
const withRedis = redis ? {} : { skip: 'no redis-server on this machine' }

t.test('on PostgreSQL', (t) => onAnyBackend(t, undefined))
t.test('on Redis', withRedis, (t) => onAnyBackend(t, redis))

async function onAnyBackend(t: Test, redisUrl: string | undefined) {
  t.test('from request to erasure: three mails, an archive, a tombstone', async (t) => {
    const s = await setup(t, { gracePeriod: 'PT3S' })
    await start(t, s, { redisUrl })
    const ada = await s.person('ada@example.com')
    const watch = startStopwatch()
    const { id } = await s.deletion(ada)
    await until('all three mails have come', () => s.sink.received.length === 3)
    t.ok(watch.ms() >= 3_000, 'erased and told of after the grace period')
    await holdsWithin(t, watch, 8_000, 'within five seconds of its end')

    t.strictSame(
      s.sink.received.map(({ to, email }) => `${email.subject?.slice(0, 25)} → ${to}`),
      [
        'Your account will be eras → ada@example.com',
        'Your data is ready to dow → ada@example.com',
        'Your account has been era → ada@example.com',
      ],
    )
    t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
    t.match(await s.db.selectFrom('deletions').selectAll().execute(), [{ id, status: 'erased' }])
    t.equal((await readdir(s.exportDir)).length, 1)
    await until('every row is settled', async () => (await unsettled(s)) === 0)
    await until('the audit events are sealed', async () => {
      const { rows } = await sql`select from public.audit_events where position is null`.execute(
        s.db,
      )
      return rows.length === 0
    })
    t.notMatch(s.lines.join('\n'), /ada@|example\.com/)
  })

  t.test('several workers share the work: each mail once, each person once', async (t) => {
    const s = await setup(t)
    s.deps.rateLimits = false
    const queueName = `test-${randomUUID()}`
    const workers = await Promise.all([1, 2, 3].map(() => start(t, s, { redisUrl, queueName })))
    await requestDeletions(s, 10)
    await until('the first two mails are out', () => s.sink.received.length >= 20)
    await endGrace(s)
    await until('every mail is out', () => s.sink.received.length >= 30)
    await until('every row is settled', async () => (await unsettled(s)) === 0)
    const ids = s.sink.received.map(({ email }) => email.messageId)
    t.equal(ids.length, 30)
    t.equal(new Set(ids).size, 30, 'none of them twice')
    t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
    await Promise.all(workers.map((worker) => worker.close()))
  })

  t.test('closing in the middle loses nothing: the next worker goes on', async (t) => {
    const s = await setup(t)
    s.deps.rateLimits = false
    const queueName = `test-${randomUUID()}`
    const gate = s.sink.hold()
    const first = await start(t, s, { redisUrl, queueName, graceMs: 200 })
    await requestDeletions(s, 5)
    await until('mails hang at the server', () => gate.held() > 0)
    const watch = startStopwatch()
    await first.close()
    await holdsWithin(t, watch, 3_000, 'it closed in time')
    await until('nothing is held', async () => {
      const { rows } =
        await sql`select from public.outbox where lease is not null and attempts > 0`.execute(s.db)
      return rows.length === 0
    })
    gate.release()
    await start(t, s, { redisUrl, queueName })
    await until('every mail is out', async () => (await unsettled(s)) === 5)
    await endGrace(s)
    await until('every row is settled', async () => (await unsettled(s)) === 0)
    t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
    const sent = await s.db.selectFrom('outbox').select('id').where('status', '=', 'sent').execute()
    for (const { id } of sent)
      t.ok(s.sink.received.some(({ email }) => email.messageId?.includes(id)))
  })
}

t.test('a queue that was lost is filled again', withRedis, async (t) => {
  const s = await setup(t)
  // A database of its own: it is emptied.
  const url = new URL(redis ?? '')
  url.pathname = '/7'
  const queueName = `test-${randomUUID()}`
  const queue = await openQueue({ redisUrl: url.href, databaseUrl: '', name: queueName })
  t.teardown(() => queue.close())
  await s.deletion(await s.person())
  await until('the mail is queued', () => relayMails(s.db, queue).then(yes, no))
  t.match(await queue.counts('send-mail'), { waiting: 1 })
  const admin = new Redis(url.href)
  await admin.flushdb()
  t.teardown(() => admin.disconnect())
  t.match(await queue.counts('send-mail'), { waiting: 0 })

  await start(t, s, { redisUrl: url.href, queueName })
  t.equal(s.sink.received.length, 0)
  // As if half a minute had passed: the lease of the lost job runs out.
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(s.db)
  await until('the mail has come', () => s.sink.received.length > 0)
  t.match(s.sink.received[0]?.email.subject, /will be erased/)
})

t.test('no more is lent than the queue can bear', async (t) => {
  const s = await setup(t)
  const { id } = await s.deletion(await s.person())
  await sql`insert into public.outbox (mail, deletion_id)
    select 'deletion-cancelled', ${id} from generate_series(1, 2000)`.execute(s.db)
  const queue = await openQueue({ databaseUrl: s.databaseUrl })
  t.teardown(() => queue.close())
  for (let times = 0; times < 5; times++) await relayMails(s.db, queue)
  const { waiting } = await queue.counts('send-mail')
  t.ok(waiting >= 200 && waiting < 300, `${waiting} jobs wait`)
  const free = await s.db.selectFrom('outbox').select('id').where('lease', 'is', null).execute()
  t.equal(free.length, 2_001 - waiting)
})

t.test('a reminder is staged and sent when its day comes', async (t) => {
  const s = await setup(t)
  await start(t, s, {})
  const { id } = await s.deletion(await s.person())
  await until('the first mail has come', () => s.sink.received.length >= 1)
  await sql`update public.deletions set next_reminder_at = now() where id = ${id}`.execute(s.db)
  const reminder = await until('the reminder has come', () =>
    s.sink.received.find(({ email }) => email.subject?.startsWith('Reminder')),
  )
  const [first] = s.sink.received
  const link = /\/deletion\/cancel#token=.*/
  t.equal(link.exec(reminder.source)?.[0], link.exec(first?.source ?? '')?.[0], 'the same link')
})

async function start(t: Test, s: Setup, options: Partial<WorkerOptions>) {
  const worker = await startWorker(s.deps, {
    ...{
      databaseUrl: s.databaseUrl,
      queueName: `test-${randomUUID()}`,
      host: '127.0.0.1',
      port: 0,
    },
    ...options,
  })
  t.teardown(() => worker.close())
  return worker
}

async function requestDeletions(s: Setup, people: number) {
  for (let i = 0; i < people; i++) await s.deletion(await s.person())
}

/** As if the grace period were over. */
async function endGrace({ db }: Setup) {
  await sql`update public.deletions set requested_at = now() - interval '27 days', erase_after = now(),
    next_reminder_at = null, next_attempt_at = now() where status = 'pending'`.execute(db)
}

async function unsettled({ db }: Setup): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select (select count(*) from public.outbox where status = 'pending')
         + (select count(*) from public.deletions where status in ('pending', 'erasing'))
         + (select count(*) from public.exports where status = 'pending') as open`.execute(db)
  return rows[0]?.open ?? 0
}

const yes = () => true
const no = () => false
