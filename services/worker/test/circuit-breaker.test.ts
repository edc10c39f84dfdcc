import { randomUUID } from 'node:crypto'
import { beginRelease, cancelDeletionByToken, findOpenTrips } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { sweepTasks } from '../src/sweep.ts'
import { startWorker } from '../src/worker.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

/** Blocks more than two erasures. */
const breakerLimits = { floor: 2, share: 0 }
/** Blocks every erasure. */
const noErasure = { floor: 0, share: 0 }

t.test(
  'an unusual number of due erasures stops only erasure, until an operator releases them',
  async (t) => {
    const ctx = await createWorkerContext(t)
    Object.assign(ctx.deps, { breakerLimits: noErasure })
    const [ada, ...others] = [
      await ctx.person('ada@example.com'),
      await ctx.person(),
      await ctx.person(),
    ]
    const port = await start(t, ctx)
    const first = await ctx.deletion(ada)
    for (const person of others) await ctx.deletion(person)
    await until('their mails are sent', () => ctx.sink.received.length === 6)
    await makeDue(ctx)

    const answer = await until('/readyz reports it', async () => {
      const given = await fetch(`http://127.0.0.1:${port}/readyz`)
      return given.status === 503 ? given : undefined
    })
    t.match(await answer.json(), {
      type: '/problems/erasure-stopped',
      detail:
        /accounts that were younger than 7 days since .* 3 deletions were due at once, more than 0 and more than 0 of the 3 users\. The 0 oldest .*pnpm lethe breaker release/,
    })
    t.strictSame(await metrics(port), ['lethe_erasure_stopped 1', ...atOnce(0)])

    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
    const bob = await ctx.person('bob@example.com')
    await ctx.deletion(bob)
    await until('mails and exports continue', () => ctx.sink.received.length === 8)
    await sql`update public.deletions set next_reminder_at = now() where user_id = ${bob.user.id}`.execute(
      ctx.db,
    )
    await until('reminders continue', () => ctx.sink.received.length === 9)
    await cancelDeletionByToken(ctx.db, await ctx.cancelToken(first.id))
    await until('cancels continue', () => ctx.sink.received.length === 10)
    t.equal((await users(ctx)).length, 4, 'no account is erased')

    const [trip] = await findOpenTrips(ctx.db)
    await beginRelease(ctx.db, trip?.id ?? 0, 2)
    await until(
      'the worker finishes the release and erases the others',
      async () => (await users(ctx)).length === 2,
    )
    t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
    t.strictSame(await metrics(port), ['lethe_erasure_stopped 0', ...atOnce(0)])
    const logged = ctx.lines.filter((line) => line.includes('erasure.stopped'))
    t.equal(logged.length, 1, 'the trip is logged once')
    t.match(JSON.parse(logged[0] ?? ''), { level: 50, atOnce: 3, users: 3, floor: 0, share: 0 })
    t.notMatch(logged[0], /"(id|deletion|user)"|@/)
  },
)

t.test('a worker that starts while erasure is stopped does all other work', async (t) => {
  const ctx = await createWorkerContext(t)
  Object.assign(ctx.deps, { breakerLimits: noErasure })
  await ctx.deletion(await ctx.person('ada@example.com'))
  await sql`insert into public.breaker_trips (new_accounts, at_once, users, floor, share) values (true, 3, 3, 0, 0)`.execute(
    ctx.db,
  )
  await makeDue(ctx)
  await start(t, ctx)
  await until('its mails are sent', () => ctx.sink.received.length === 2)
  t.match(await ctx.db.selectFrom('deletions').select('status').execute(), [{ status: 'pending' }])
})

t.test(
  'after a bad UPDATE only allowed deletions are dispatched, and an earlier job claims no more',
  async (t) => {
    const ctx = await createWorkerContext(t)
    Object.assign(ctx.deps, { breakerLimits })
    for (let i = 0; i < 5; i++) await ctx.deletion(await ctx.person())
    await sql`update public.exports set status = 'failed', token_nonce = null`.execute(ctx.db)
    await makeDue(ctx, 2)
    const lease = await ctx.dispatchDeletions()
    t.ok(lease)
    await makeDue(ctx)

    await eraseAccounts({ lease: lease ?? '' }, ctx.deps)
    t.equal((await users(ctx)).length, 5, 'nothing is claimed even before the trip is recorded')
    const queue = await openQueue({ databaseUrl: ctx.databaseUrl })
    t.teardown(() => queue.close())
    const tasks = sweepTasks(ctx.deps, queue)
    await sql`update public.deletions set next_attempt_at = now()`.execute(ctx.db)
    t.equal(await tasks['dispatch-deletions'].run(), false)
    t.match(await queue.counts('erase-accounts'), { waiting: 0 })
    await Promise.all([tasks['trip-breaker'].run(), tasks['trip-breaker'].run()])
    t.equal(ctx.lines.filter((line) => line.includes('erasure.stopped')).length, 1)
    t.equal(await tasks['dispatch-deletions'].run(), true)
    t.equal(await countDispatched(ctx), 2)
    t.equal(await tasks['dispatch-deletions'].run(), false)
    const [trip] = await findOpenTrips(ctx.db)
    await beginRelease(ctx.db, trip?.id ?? 0, 3)
    t.equal(await tasks['finish-release'].run(), true)
    t.equal(await tasks['finish-release'].run(), false)
    t.equal(await tasks['dispatch-deletions'].run(), true)
    t.equal(await countDispatched(ctx), 5)
  },
)

t.test('deletions that were claimed before the trip are erased', async (t) => {
  const ctx = await createWorkerContext(t)
  Object.assign(ctx.deps, { breakerLimits })
  for (let i = 0; i < 4; i++) await ctx.deletion(await ctx.person())
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(ctx.db)
  await makeDue(ctx, 2)
  const stopped = new AbortController()
  stopped.abort(new Error('the worker dies'))
  await eraseAccounts(
    { lease: (await ctx.dispatchDeletions()) ?? '' },
    { ...ctx.deps, stop: stopped.signal },
  )
  await makeDue(ctx)
  const port = await start(t, ctx)
  await until('they are erased', async () => (await users(ctx)).length === 2)
  t.match(await ctx.db.selectFrom('deletions').select('status').orderBy('status').execute(), [
    { status: 'erased' },
    { status: 'erased' },
    { status: 'pending' },
    { status: 'pending' },
  ])
  await until('the metrics count them, and not the held ones', async () =>
    (await metrics(port)).includes('lethe_deletions_at_once{accounts="new"} 2'),
  )
})

/** Makes up to `deletions` pending deletions due at once, like a bad UPDATE. */
async function makeDue({ db }: WorkerContext, deletions = 1_000) {
  await sql`
    with first as (select id from public.deletions where status = 'pending' order by user_id limit ${deletions})
    update public.deletions set requested_at = now() - interval '1 day', erase_after = now(), next_attempt_at = now(), next_reminder_at = null
    from first where deletions.id = first.id`.execute(db)
}

function users({ db }: WorkerContext) {
  return db.selectFrom('users').select('id').execute()
}

async function countDispatched({ db }: WorkerContext): Promise<number> {
  const lent = await sql`select from public.deletions where next_attempt_at > now()`.execute(db)
  return lent.rows.length
}

function atOnce(newAccounts: number): string[] {
  return [
    'lethe_deletions_at_once{accounts="established"} 0',
    `lethe_deletions_at_once{accounts="new"} ${newAccounts}`,
  ]
}

/** The metrics of the circuit breaker. */
async function metrics(port: number): Promise<string[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return text.split('\n').filter((line) => /^lethe_(deletions_at_once|erasure_stopped)/.test(line))
}

/** Returns the port of its health endpoint. */
async function start(t: Test, { deps, databaseUrl }: WorkerContext): Promise<number> {
  const worker = await startWorker(deps, {
    databaseUrl,
    queueName: `test-${randomUUID()}`,
    host: '127.0.0.1',
    port: 0,
  })
  t.teardown(() => worker.close())
  return worker.port
}
