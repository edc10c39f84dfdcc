import { randomUUID } from 'node:crypto'
import { beginRelease, cancelDeletionByToken, openTrips } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { openQueue } from '@lethe/queue'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { sweepTasks } from '../src/sweep.ts'
import { startWorker } from '../src/worker.ts'
import { type Setup, setup } from './setup.ts'

/** More than two. */
const breakerLimits = { floor: 2, share: 0 }
/** More than none, so that none passes. */
const closed = { floor: 0, share: 0 }

t.test('too many at once stop erasure, and nothing else, until the operator goes on', async (t) => {
  const s = await setup(t)
  Object.assign(s.deps, { breakerLimits: closed })
  const [ada, ...others] = [await s.person('ada@example.com'), await s.person(), await s.person()]
  const port = await start(t, s)
  const first = await s.deletion(ada)
  for (const person of others) await s.deletion(person)
  await until('their mails are out', () => s.sink.received.length === 6)
  await badUpdate(s)

  const answer = await until('it says so', async () => {
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
  const bob = await s.person('bob@example.com')
  await s.deletion(bob)
  await until('mails and exports go on', () => s.sink.received.length === 8)
  await sql`update public.deletions set next_reminder_at = now() where user_id = ${bob.user.id}`.execute(
    s.db,
  )
  await until('reminders too', () => s.sink.received.length === 9)
  await cancelDeletionByToken(s.db, await s.cancelToken(first.id))
  await until('and cancels', () => s.sink.received.length === 10)
  t.equal((await users(s)).length, 4, 'nobody is erased')

  const [trip] = await openTrips(s.db)
  await beginRelease(s.db, trip?.id ?? 0, 2)
  await until(
    'the others are erased, since the worker finishes the release',
    async () => (await users(s)).length === 2,
  )
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
  t.strictSame(await metrics(port), ['lethe_erasure_stopped 0', ...atOnce(0)])
  const told = s.lines.filter((line) => line.includes('erasure.stopped'))
  t.equal(told.length, 1, 'it was logged once')
  t.match(JSON.parse(told[0] ?? ''), { level: 50, atOnce: 3, users: 3, floor: 0, share: 0 })
  t.notMatch(told[0], /"(id|deletion|user)"|@/)
})

t.test('a worker that starts while erasure is stopped does all the rest', async (t) => {
  const s = await setup(t)
  Object.assign(s.deps, { breakerLimits: closed })
  await s.deletion(await s.person('ada@example.com'))
  await sql`insert into public.breaker_trips (new_accounts, at_once, users, floor, share) values (true, 3, 3, 0, 0)`.execute(
    s.db,
  )
  await badUpdate(s)
  await start(t, s)
  await until('its mails are out', () => s.sink.received.length === 2)
  t.match(await s.db.selectFrom('deletions').select('status').execute(), [{ status: 'pending' }])
})

t.test(
  'of what a bad UPDATE makes due, as much is lent as passes, and no job lent before claims more',
  async (t) => {
    const s = await setup(t)
    Object.assign(s.deps, { breakerLimits })
    for (let i = 0; i < 5; i++) await s.deletion(await s.person())
    await sql`update public.exports set status = 'failed', token_nonce = null`.execute(s.db)
    await badUpdate(s, 2)
    const lent = await s.dispatchDeletions()
    t.ok(lent)
    await badUpdate(s)

    await eraseAccounts({ lease: lent ?? '' }, s.deps)
    t.equal((await users(s)).length, 5, 'not even before anybody has noted it')
    const queue = await openQueue({ databaseUrl: s.databaseUrl })
    t.teardown(() => queue.close())
    const tasks = sweepTasks(s.deps, queue)
    await sql`update public.deletions set next_attempt_at = now()`.execute(s.db)
    t.equal(await tasks['dispatch-deletions'].run(), false)
    t.match(await queue.counts('erase-accounts'), { waiting: 0 })
    await Promise.all([tasks['trip-breaker'].run(), tasks['trip-breaker'].run()])
    t.equal(s.lines.filter((line) => line.includes('erasure.stopped')).length, 1)
    t.equal(await tasks['dispatch-deletions'].run(), true)
    t.equal(await lentDeletions(s), 2)
    t.equal(await tasks['dispatch-deletions'].run(), false)
    const [trip] = await openTrips(s.db)
    await beginRelease(s.db, trip?.id ?? 0, 3)
    t.equal(await tasks['finish-release'].run(), true)
    t.equal(await tasks['finish-release'].run(), false)
    t.equal(await tasks['dispatch-deletions'].run(), true)
    t.equal(await lentDeletions(s), 5)
  },
)

t.test('what was claimed before is erased all the same', async (t) => {
  const s = await setup(t)
  Object.assign(s.deps, { breakerLimits })
  for (let i = 0; i < 4; i++) await s.deletion(await s.person())
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(s.db)
  await badUpdate(s, 2)
  const stopped = new AbortController()
  stopped.abort(new Error('the worker dies'))
  await eraseAccounts(
    { lease: (await s.dispatchDeletions()) ?? '' },
    { ...s.deps, stop: stopped.signal },
  )
  await badUpdate(s)
  const port = await start(t, s)
  await until('it is', async () => (await users(s)).length === 2)
  t.match(await s.db.selectFrom('deletions').select('status').orderBy('status').execute(), [
    { status: 'erased' },
    { status: 'erased' },
    { status: 'pending' },
    { status: 'pending' },
  ])
  await until('they count, and not what is held', async () =>
    (await metrics(port)).includes('lethe_deletions_at_once{accounts="new"} 2'),
  )
})

/** All that are pending are due at once, or so many of them. */
async function badUpdate({ db }: Setup, deletions = 1_000) {
  await sql`
    with first as (select id from public.deletions where status = 'pending' order by user_id limit ${deletions})
    update public.deletions set requested_at = now() - interval '1 day', erase_after = now(), next_attempt_at = now(), next_reminder_at = null
    from first where deletions.id = first.id`.execute(db)
}

function users({ db }: Setup) {
  return db.selectFrom('users').select('id').execute()
}

async function lentDeletions({ db }: Setup): Promise<number> {
  const lent = await sql`select from public.deletions where next_attempt_at > now()`.execute(db)
  return lent.rows.length
}

function atOnce(newAccounts: number): string[] {
  return [
    'lethe_deletions_at_once{accounts="established"} 0',
    `lethe_deletions_at_once{accounts="new"} ${newAccounts}`,
  ]
}

/** The lines that the breaker is about. */
async function metrics(port: number): Promise<string[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return text.split('\n').filter((line) => /^lethe_(deletions_at_once|erasure_stopped)/.test(line))
}

/** Returns the port of its health. */
async function start(t: Test, { deps, databaseUrl }: Setup): Promise<number> {
  const worker = await startWorker(deps, {
    ...{ databaseUrl, queueName: `test-${randomUUID()}`, host: '127.0.0.1', port: 0 },
  })
  t.teardown(() => worker.close())
  return worker.port
}
