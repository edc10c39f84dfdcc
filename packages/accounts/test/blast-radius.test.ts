import { randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import {
  cancelDeletionByToken,
  claimDeletions,
  finishErasure,
  planErasure,
  readHeld,
  releaseHeld,
  tripBreaker,
} from '../src/index.ts'
import { fixture } from '../src/testing.ts'

/** More than three, and more than half of all. */
const limits = { floor: 3, share: 0.5 }
const strict = { floor: 3, share: 0.2 }

t.test('both bounds are needed, and to reach them is not to exceed them', async (t) => {
  for (const [due, users, stops] of [
    [4, 9, false], // The floor alone.
    [4, 8, false], // The floor, and just the share.
    [4, 7, true],
    [3, 3, false], // The share alone.
    [100, 200, false],
    [101, 201, true],
  ] as const) {
    const { db } = await testDb(t)
    const story = `${due} due of ${users} users`
    await people(db, users)
    await makeDue(db, due)
    t.equal((await claim(db)).length, stops ? 0 : due, `${story}: claimed`)
    t.equal((await tripBreaker(db, limits)) !== undefined, stops, `${story}: tripped`)
  }
})

t.test('a share of nothing leaves the floor alone to decide, one of all lets all go', async (t) => {
  const { db } = await testDb(t)
  await people(db, 10)
  await makeDue(db, 10)
  t.equal(await tripBreaker(db, { floor: 10, share: 0 }), undefined)
  t.equal(await tripBreaker(db, { floor: 0, share: 1 }), undefined)
  t.match(await tripBreaker(db, { floor: 9, share: 0 }), { atOnce: 10, users: 10 })
})

t.test('however many see it at once, there is one record, told of to one of them', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 6)
  const first = await db.startTransaction().execute()
  t.match(await tripBreaker(first, limits), { atOnce: 6, users: 8, ...limits, trippedAt: Date })
  const others = Promise.all([tripBreaker(db, limits), tripBreaker(db, limits)])
  await Promise.race([others, waiting(db, 2)])
  await first.commit().execute()
  t.strictSame(await others, [undefined, undefined])
  t.equal((await db.selectFrom('breaker_trips').selectAll().execute()).length, 1)
})

t.test('a job that was lent before claims nothing, tripped or not yet', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 2)
  const lent = await lend(db)
  await makeDue(db, 6)
  t.strictSame((await claimDeletions(db, lent, limits)).deletions, [], 'too many are due')
  await tripBreaker(db, limits)
  t.strictSame((await claimDeletions(db, lent, limits)).deletions, [], 'tripped')
  t.strictSame(await statuses(db), { pending: 8 })
  const { rows } = await sql`select from public.deletions where lease = ${lent}`.execute(db)
  t.equal(rows.length, 2, 'and the rows are as they were')
})

t.test('what was claimed before is finished, tripped or not', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 2)
  await claimDeletions(db, await lend(db), limits)
  await makeDue(db, 8)
  await tripBreaker(db, limits)
  const again = await claimDeletions(db, await lend(db), limits)
  t.equal((await finishErasure(db, await planErasure(db), again)).length, 2)
  t.strictSame(await statuses(db), { erased: 2, pending: 6 })
})

t.test('a trickle within an hour is stopped as a flood is', async (t) => {
  const { db } = await testDb(t)
  await people(db, 10)
  const erased = async () => {
    await makeDue(db, 1)
    return (await eraseDue(db)).length
  }
  for (let i = 0; i < 5; i++)
    t.equal(await erased(), 1, 'half of all: the erased are users of before')
  t.equal(await erased(), 0, 'one more waits')
  t.match(await tripBreaker(db, limits), { atOnce: 6, users: 10 })
})

t.test('claims of another hour do not count', async (t) => {
  for (const [moved, counts] of [
    ['-59 minutes', true],
    ['-61 minutes', false],
    ['61 minutes', false], // A clock was wrong.
  ] as const) {
    const { db } = await testDb(t)
    await people(db, 7)
    await makeDue(db, 3)
    await claim(db)
    await sql`update public.deletions set requested_at = now() - interval '1 day', erase_after = now() - interval '1 day',
      claimed_at = now() + ${moved}::interval where status = 'erasing'`.execute(db)
    await makeDue(db, 1)
    t.equal((await tripBreaker(db, limits)) !== undefined, counts, moved)
  }
})

t.test('once tripped it stays so, though fewer are due', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 6)
  await tripBreaker(db, limits)
  await sql`update public.deletions set erase_after = now() + interval '1 day' where user_id not in (select min(user_id) from public.deletions)`.execute(
    db,
  )
  t.strictSame(await claim(db), [])
  t.match(await readHeld(db), { held: 1, since: 0 })
})

t.test('a release takes the number that is held, and covers those alone', async (t) => {
  const { db } = await testDb(t)
  await people(db, 12)
  await makeDue(db, 7)
  await tripBreaker(db, strict)
  await makeDue(db, 9)
  t.match(await readHeld(db), { held: 7, since: 2, trip: { atOnce: 7, users: 12 } })

  for (const wrong of [6, 8, 9, 0]) t.equal(await releaseHeld(db, wrong), 7)
  t.strictSame(await claim(db), [], 'a wrong number releases nothing')
  t.equal(await releaseHeld(db, 7), 7)
  t.equal(await readHeld(db), undefined, 'closed')
  t.match(await db.selectFrom('breaker_trips').selectAll().execute(), [
    { released: 7, released_at: Date },
  ])
  t.equal(await releaseHeld(db, 7), undefined, 'asked twice it does nothing')

  await makeDue(db, 12)
  t.match(await tripBreaker(db, strict), { atOnce: 5 }, 'the others are counted anew')
  t.equal((await eraseDue(db)).length, 7, 'and the released go on, tripped again or not')
  t.match(await readHeld(db), { held: 5 })
})

t.test('of two operators at once one releases', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 8)
  await tripBreaker(db, limits)
  const first = await db.startTransaction().execute()
  t.equal(await releaseHeld(first, 8), 8)
  const second = releaseHeld(db, 8)
  await Promise.race([second, waiting(db, 1)])
  await first.commit().execute()
  t.equal(await second, undefined)
})

t.test('the date of a released deletion stays what it was when they looked', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 8)
  await tripBreaker(db, limits)
  await releaseHeld(db, 8)
  const moving = sql`update public.deletions set erase_after = now() + interval '1 second'`.execute(
    db,
  )
  await t.rejects(moving, /deletions_released_when_due/)
})

t.test('what was claimed before a release does not count after it', async (t) => {
  const { db } = await testDb(t)
  await people(db, 7)
  await makeDue(db, 3)
  await eraseDue(db)
  await makeDue(db, 1)
  t.match(await tripBreaker(db, limits), { atOnce: 4 })
  t.equal(await releaseHeld(db, 1), 1)
  await makeDue(db, 2)
  t.equal(await tripBreaker(db, limits), undefined)
  t.equal((await claim(db)).length, 3)
  await makeDue(db, 1)
  t.equal(await tripBreaker(db, limits), undefined, 'nor does what was released')
})

t.test(
  'a clock that was wrong and is right again leaves nothing to release, and no gap',
  async (t) => {
    const { db } = await testDb(t)
    await people(db, 7)
    await makeDue(db, 7)
    await tripBreaker(db, limits)
    await sql`update public.deletions set erase_after = now() + interval '26 days'`.execute(db)
    await sql`update public.breaker_trips set tripped_at = now() + interval '27 days'`.execute(db)
    t.match(await readHeld(db), { held: 0, since: 0 })
    t.equal(await releaseHeld(db, 0), 0)
    t.equal(await readHeld(db), undefined)

    await sql`update public.breaker_trips set released_at = now() + interval '27 days'`.execute(db)
    await makeDue(db, 3)
    t.equal((await claim(db)).length, 3)
    await makeDue(db, 1)
    t.match(await tripBreaker(db, limits), { atOnce: 4 }, 'what is claimed since counts')
  },
)

t.test('a person who is held back can cancel, and is not released for the next time', async (t) => {
  const { db } = await testDb(t)
  const f = await fixture(db, 'PT0S')
  const ada = await f.person('ada@example.com')
  const { id } = await f.request(ada)
  await f.offerArchive(id)
  await tripBreaker(db, { floor: 0, share: 0 })
  t.strictSame(await claim(db), [])
  await cancelDeletionByToken(db, await f.cancelToken(id))
  t.match(await readHeld(db), { held: 0 })
  await f.request(await f.logIn('ada@example.com'))
  t.equal(await releaseHeld(db, 0), 0)
  t.match(await db.selectFrom('deletions').select('released_at').execute(), [
    { released_at: null },
    { released_at: null },
  ])
})

t.test('a bad UPDATE after any statement lets nobody through whom it made due', async (t) => {
  const { db } = await testDb(t)
  await people(db, 8)
  await makeDue(db, 2)
  const lease = randomUUID()
  await sql`update public.deletions set lease = ${lease}`.execute(db)
  const disturbed = db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await makeDue(db, 8)
      return result
    },
  })
  await claimDeletions(disturbed, lease, limits)
  t.strictSame(await statuses(db), { erasing: 2, pending: 6 })
})

t.test(
  'whatever comes due beside any number of claims, no more are claimed than allowed',
  async (t) => {
    const { db } = await testDb(t)
    await people(db, 60)
    const trickle = async (from: number) => {
      for (let i = from; i < from + 10; i++)
        await sql`update public.deletions set erase_after = now() where id =
        (select id from public.deletions order by user_id offset ${i} limit 1)`.execute(db)
    }
    const twenty = { floor: 20, share: 0 }
    await makeDue(db, 5)
    await claimDeletions(db, await lend(db), twenty)
    const trickling = Promise.all([10, 20, 30, 40].map(trickle))
    const over = new AbortController()
    const workers = [1, 2, 3, 4].map(async () => {
      while (!over.signal.aborted) await claimDeletions(db, await lend(db, 2), twenty)
    })
    await trickling
    over.abort()
    await Promise.all(workers)
    const { erasing = 0 } = await statuses(db)
    t.ok(erasing >= 5 && erasing <= 20, `${erasing} were claimed`)
    t.ok(await tripBreaker(db, twenty))
  },
)

/** Users, each with a pending deletion whose date is to come. */
async function people(db: Db, users: number): Promise<void> {
  await sql`
    with made as (
      insert into public.users (email, password_hash, active)
      select gen_random_uuid() || '@example.com', '$argon2id$', false from generate_series(1, ${users}::integer)
      returning id
    )
    insert into public.deletions (user_id, requested_at, erase_after, next_attempt_at, token_nonce, token_hash)
    select id, now() - interval '1 day', now() + interval '1 day', now(), sha256(id::text::bytea), sha256(gen_random_uuid()::text::bytea)
    from made`.execute(db)
}

/** A bad UPDATE: so many of the pending are due all at once. */
async function makeDue(db: Db, deletions: number): Promise<void> {
  await sql`
    with first as (
      select id from public.deletions where status = 'pending' and released_at is null order by user_id limit ${deletions}
    )
    update public.deletions set erase_after = least(erase_after, now()) from first where deletions.id = first.id`.execute(
    db,
  )
}

/** A lease on the first of those that are due or claimed, as the sweep would give it without the breaker. */
async function lend(db: Db, limit = 1_000): Promise<string> {
  const lease = randomUUID()
  await sql`
    with free as (
      select id from public.deletions where status = 'erasing' or status = 'pending' and erase_after <= now()
      limit ${limit} for update skip locked
    )
    update public.deletions set lease = ${lease} from free where deletions.id = free.id`.execute(db)
  return lease
}

async function claim(db: Db): Promise<string[]> {
  const { deletions } = await claimDeletions(db, await lend(db), limits)
  return deletions.map(({ id }) => id)
}

async function eraseDue(db: Db): Promise<string[]> {
  return finishErasure(db, await planErasure(db), await claimDeletions(db, await lend(db), limits))
}

async function statuses(db: Db): Promise<Record<string, number>> {
  const { rows } = await sql<{ status: string; n: number }>`
    select status, count(*) as n from public.deletions group by 1 order by 1`.execute(db)
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]))
}

/** Until this many connections wait for another. */
async function waiting(db: Db, connections: number): Promise<void> {
  await until(`${connections} connections wait for a lock`, async () => {
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
      db,
    )
    return rows.length === connections
  })
}
