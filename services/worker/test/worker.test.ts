import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { Redis } from 'ioredis'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { relayMails } from '../src/relay.ts'
import { startWorker, type WorkerOptions } from '../src/worker.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

const redis = process.env.TEST_REDIS_URL
const withRedis = redis ? {} : { skip: 'no redis-server on this machine' }

t.test('on PostgreSQL', (t) => onAnyBackend(t, undefined))
t.test('on Redis', withRedis, (t) => onAnyBackend(t, redis))

async function onAnyBackend(t: Test, redisUrl: string | undefined) {
  t.test('a deletion sends three mails and leaves an archive and a tombstone', async (t) => {
    const ctx = await createWorkerContext(t, { gracePeriod: 'PT3S' })
    await start(t, ctx, { redisUrl })
    const ada = await ctx.person('ada@example.com')
    const watch = startStopwatch()
    const { id } = await ctx.deletion(ada)
    await until('all three mails have come', () => ctx.sink.received.length === 3)
    t.ok(watch.ms() >= 3_000, 'the account is erased after the grace period')
    await holdsWithin(
      t,
      watch,
      8_000,
      'the account is erased within five seconds after the grace period',
    )

    t.strictSame(
      ctx.sink.received.map(({ to, email }) => `${email.subject?.slice(0, 25)} → ${to}`),
      [
        'Your account will be eras → ada@example.com',
        'Your data is ready to dow → ada@example.com',
        'Your account has been era → ada@example.com',
      ],
    )
    t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
    t.match(await ctx.db.selectFrom('deletions').selectAll().execute(), [{ id, status: 'erased' }])
    t.equal((await readdir(ctx.exportDir)).length, 1)
    await until('every row is settled', async () => (await countUnfinished(ctx)) === 0)
    await until('the audit events are sealed', async () => {
      const { rows } = await sql`select from public.audit_events where position is null`.execute(
        ctx.db,
      )
      return rows.length === 0
    })
    t.notMatch(ctx.lines.join('\n'), /ada@|example\.com/)
  })

  t.test('several workers send each mail and erase each account once', async (t) => {
    const ctx = await createWorkerContext(t)
    ctx.deps.rateLimits = false
    const queueName = `test-${randomUUID()}`
    const workers = await Promise.all([1, 2, 3].map(() => start(t, ctx, { redisUrl, queueName })))
    await requestDeletions(ctx, 10)
    await until('the first two mails of each person are sent', () => ctx.sink.received.length >= 20)
    await endGrace(ctx)
    await until('every mail is sent', () => ctx.sink.received.length >= 30)
    await until('every row is settled', async () => (await countUnfinished(ctx)) === 0)
    const ids = ctx.sink.received.map(({ email }) => email.messageId)
    t.equal(ids.length, 30)
    t.equal(new Set(ids).size, 30, 'no mail is sent twice')
    t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
    await Promise.all(workers.map((worker) => worker.close()))
  })

  t.test('the next worker finishes the work of one that closes', async (t) => {
    const ctx = await createWorkerContext(t)
    ctx.deps.rateLimits = false
    const queueName = `test-${randomUUID()}`
    const gate = ctx.sink.hold()
    const first = await start(t, ctx, { redisUrl, queueName, graceMs: 200 })
    await requestDeletions(ctx, 5)
    await until('mails hang at the server', () => gate.held() > 0)
    const watch = startStopwatch()
    await first.close()
    await holdsWithin(t, watch, 3_000, 'the worker closes in time')
    await until('no mail is leased', async () => {
      const { rows } =
        await sql`select from public.outbox where lease is not null and attempts > 0`.execute(
          ctx.db,
        )
      return rows.length === 0
    })
    gate.release()
    await start(t, ctx, { redisUrl, queueName })
    await until('every mail is sent', async () => (await countUnfinished(ctx)) === 5)
    await endGrace(ctx)
    await until('every row is settled', async () => (await countUnfinished(ctx)) === 0)
    t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
    const sent = await ctx.db
      .selectFrom('outbox')
      .select('id')
      .where('status', '=', 'sent')
      .execute()
    for (const { id } of sent)
      t.ok(ctx.sink.received.some(({ email }) => email.messageId?.includes(id)))
  })
}

t.test('the jobs of a lost queue are dispatched again', withRedis, async (t) => {
  const ctx = await createWorkerContext(t)
  // A separate Redis database, since the test empties it.
  const url = new URL(redis ?? '')
  url.pathname = '/7'
  const queueName = `test-${randomUUID()}`
  const queue = await openQueue({ redisUrl: url.href, databaseUrl: '', name: queueName })
  t.teardown(() => queue.close())
  await ctx.deletion(await ctx.person())
  await until('the mail is queued', () => relayMails(ctx.db, queue).then(yes, no))
  t.match(await queue.counts('send-mail'), { waiting: 1 })
  const admin = new Redis(url.href)
  await admin.flushdb()
  t.teardown(() => admin.disconnect())
  t.match(await queue.counts('send-mail'), { waiting: 0 })

  await start(t, ctx, { redisUrl: url.href, queueName })
  t.equal(ctx.sink.received.length, 0)
  // Simulate that the lease of the lost job has expired.
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(
    ctx.db,
  )
  await until('the mail has come', () => ctx.sink.received.length > 0)
  t.match(ctx.sink.received[0]?.email.subject, /will be erased/)
})

t.test('the relay dispatches nothing while many jobs wait', async (t) => {
  const ctx = await createWorkerContext(t)
  const { id } = await ctx.deletion(await ctx.person())
  await sql`insert into public.outbox (mail, deletion_id)
    select 'deletion-cancelled', ${id} from generate_series(1, 2000)`.execute(ctx.db)
  const queue = await openQueue({ databaseUrl: ctx.databaseUrl })
  t.teardown(() => queue.close())
  for (let times = 0; times < 5; times++) await relayMails(ctx.db, queue)
  const { waiting } = await queue.counts('send-mail')
  t.ok(waiting >= 200 && waiting < 300, `${waiting} jobs wait`)
  const free = await ctx.db.selectFrom('outbox').select('id').where('lease', 'is', null).execute()
  t.equal(free.length, 2_001 - waiting)
})

t.test('a reminder is staged and sent when it is due', async (t) => {
  const ctx = await createWorkerContext(t)
  await start(t, ctx, {})
  const { id } = await ctx.deletion(await ctx.person())
  await until('the first mail has come', () => ctx.sink.received.length >= 1)
  await sql`update public.deletions set next_reminder_at = now() where id = ${id}`.execute(ctx.db)
  const reminder = await until('the reminder has come', () =>
    ctx.sink.received.find(({ email }) => email.subject?.startsWith('Reminder')),
  )
  const [first] = ctx.sink.received
  const link = /\/deletion\/cancel#token=.*/
  t.equal(link.exec(reminder.source)?.[0], link.exec(first?.source ?? '')?.[0], 'the same link')
})

async function start(t: Test, ctx: WorkerContext, options: Partial<WorkerOptions>) {
  const worker = await startWorker(ctx.deps, {
    databaseUrl: ctx.databaseUrl,
    queueName: `test-${randomUUID()}`,
    host: '127.0.0.1',
    port: 0,
    ...options,
  })
  t.teardown(() => worker.close())
  return worker
}

async function requestDeletions(ctx: WorkerContext, people: number) {
  for (let i = 0; i < people; i++) await ctx.deletion(await ctx.person())
}

/** Simulates that the grace period has ended. */
async function endGrace({ db }: WorkerContext) {
  await sql`update public.deletions set requested_at = now() - interval '27 days', erase_after = now(),
    next_reminder_at = null, next_attempt_at = now() where status = 'pending'`.execute(db)
}

async function countUnfinished({ db }: WorkerContext): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select (select count(*) from public.outbox where status = 'pending')
         + (select count(*) from public.deletions where status in ('pending', 'erasing'))
         + (select count(*) from public.exports where status = 'pending') as open`.execute(db)
  return rows[0]?.open ?? 0
}

const yes = () => true
const no = () => false
