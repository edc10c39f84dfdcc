import { randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import {
  type BreakerLimits,
  beginRelease,
  cancelDeletionByToken,
  claimDeletions,
  findOpenTrips,
  finishErasure,
  readHeldDeletions,
  releaseBatch,
  type Trip,
  tripBreaker,
} from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { planErasure } from '../src/index.ts'
import { createTestContext } from '../testing/index.ts'

/** Trips with more than three deletions, if they are more than half of all users. */
const limits = { floor: 3, share: 0.5 }
const strict = { floor: 3, share: 0.2 }

t.test('trips only when both limits are exceeded, not when they are reached', async (t) => {
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
    await insertDeletions(db, users)
    await makeDue(db, due)
    t.equal((await claim(db)).length, stops ? 0 : due, `${story}: claimed`)
    t.equal((await tripBreaker(db, limits)).length > 0, stops, `${story}: tripped`)
  }
})

t.test('a share of 0 leaves only the floor, and a share of 1 turns the breaker off', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 10)
  await makeDue(db, 10)
  t.equal(await trip(db, { floor: 10, share: 0 }), undefined)
  t.equal(await trip(db, { floor: 0, share: 1 }), undefined)
  t.match(await trip(db, { floor: 9, share: 0 }), { atOnce: 10, users: 10 })
})

t.test(
  'records a trip once and returns it to one worker, however many check at once',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 8)
    await makeDue(db, 6)
    const told = await Promise.all([1, 2, 3].map(() => tripBreaker(db, limits)))
    t.match(told.flat(), [{ atOnce: 6, users: 8, ...limits, passed: 4, trippedAt: Date }])
    t.equal(told.flat().length, 1)
    t.equal((await db.selectFrom('breaker_trips').selectAll().execute()).length, 1)
  },
)

t.test('a job that was dispatched before claims nothing, tripped or not', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 8)
  await makeDue(db, 2)
  const lent = await leaseDue(db)
  await makeDue(db, 6)
  t.strictSame((await claimDeletions(db, lent, limits)).deletions, [], 'too many are due')
  await trip(db, limits)
  t.strictSame((await claimDeletions(db, lent, limits)).deletions, [], 'tripped')
  t.strictSame(await statuses(db), { pending: 8 })
  const { rows } = await sql`select from public.deletions where lease = ${lent}`.execute(db)
  t.equal(rows.length, 2, 'and the rows are as they were')
})

t.test('claimed deletions are completed, tripped or not', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 8)
  await makeDue(db, 2)
  await claimDeletions(db, await leaseDue(db), limits)
  await makeDue(db, 8)
  await trip(db, limits)
  const again = await claimDeletions(db, await leaseDue(db), limits)
  t.equal((await finishErasure(db, await planErasure(db), again)).length, 4, 'and two passed')
  t.strictSame(await statuses(db), { erased: 4, pending: 4 })
})

t.test('a trickle within an hour trips the breaker like a flood', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 10)
  const erased = async () => {
    await makeDue(db, 1)
    return (await eraseDue(db)).length
  }
  for (let i = 0; i < 5; i++)
    t.equal(await erased(), 1, 'half of all: the erased are users of before')
  t.equal(await erased(), 0, 'one more waits')
  t.match(await trip(db, limits), { atOnce: 6, users: 10 })
})

t.test('claims of another hour do not count', async (t) => {
  for (const [moved, counts] of [
    ['-59 minutes', true],
    ['-61 minutes', false],
    ['61 minutes', false], // A clock was wrong.
  ] as const) {
    const { db } = await testDb(t)
    await insertDeletions(db, 7)
    await makeDue(db, 3)
    await claim(db)
    await sql`update public.deletions set requested_at = now() - interval '1 day', erase_after = now() - interval '1 day',
      claimed_at = now() + ${moved}::interval where status = 'erasing'`.execute(db)
    await makeDue(db, 1)
    t.equal((await tripBreaker(db, limits)).length > 0, counts, moved)
  }
})

t.test('a tripped breaker stays tripped, even if fewer deletions are due', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 8)
  await makeDue(db, 6)
  await trip(db, limits)
  await sql`update public.deletions set erase_after = now() + interval '1 day' where user_id not in (select min(user_id) from public.deletions)`.execute(
    db,
  )
  t.strictSame(await claim(db), [])
  t.match(await readHeldDeletions(db), [{ held: 1, since: 0 }])
})

t.test('a release requires the held number, and covers only those deletions', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 12)
  await makeDue(db, 7)
  await trip(db, strict)
  await makeDue(db, 9)
  t.match(await readHeldDeletions(db), [
    { held: 4, since: 2, trip: { atOnce: 7, users: 12, passed: 3 } },
  ])

  for (const wrong of [3, 5, 7, 0]) t.equal(await release(db, wrong), 4)
  t.equal((await claim(db, strict)).length, 3, 'a wrong number releases nothing')
  t.equal(await release(db, 4), 4)
  t.strictSame(await readHeldDeletions(db), [], 'closed')
  t.match(await db.selectFrom('breaker_trips').selectAll().execute(), [
    { released: 4, marked: 4, released_at: Date },
  ])
  t.equal(await release(db, 4), undefined, 'asked twice it does nothing')

  await makeDue(db, 12)
  t.match(await trip(db, strict), { atOnce: 5 }, 'the others are counted anew')
  t.equal((await eraseDue(db)).length, 3 + 4 + 3, 'and the released go on, tripped again or not')
  t.match(await readHeldDeletions(db), [{ held: 2 }])
})

t.test('of two concurrent releases, one succeeds', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 8)
  await makeDue(db, 8)
  await trip(db, limits)
  await Promise.all([release(db, 4), release(db, 4)])
  t.match(await db.selectFrom('breaker_trips').selectAll().execute(), [{ released: 4, marked: 4 }])
  const { rows } = await sql`select from public.deletions where released_at is not null`.execute(db)
  t.equal(rows.length, 4)
})

t.test(
  'a release does not cover a deletion whose date changed after the operator looked',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 8)
    await makeDue(db, 8)
    await trip(db, limits)
    await release(db, 4)
    const moving =
      sql`update public.deletions set erase_after = now() + interval '1 second'`.execute(db)
    await t.rejects(moving, /deletions_released_when_due/)
  },
)

t.test('claims before a release do not count after it', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 7)
  await makeDue(db, 3)
  await eraseDue(db)
  await makeDue(db, 1)
  t.match(await trip(db, limits), { atOnce: 4 })
  t.equal(await release(db, 1), 1)
  await makeDue(db, 2)
  t.equal(await trip(db, limits), undefined)
  t.equal((await claim(db)).length, 3)
  await makeDue(db, 1)
  t.equal(await trip(db, limits), undefined, 'nor does what was released')
})

t.test('a corrected clock leaves nothing to release, and no gap', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 7)
  await makeDue(db, 7)
  await trip(db, limits)
  await sql`update public.deletions set erase_after = now() + interval '26 days'`.execute(db)
  await sql`update public.breaker_trips set tripped_at = now() + interval '27 days',
      held_until = now() + interval '27 days'`.execute(db)
  t.match(await readHeldDeletions(db), [{ held: 0, since: 0 }])
  t.equal(await release(db, 0), 0)
  t.strictSame(await readHeldDeletions(db), [])

  await sql`update public.breaker_trips set released_at = now() + interval '27 days'`.execute(db)
  await makeDue(db, 3)
  t.equal((await claim(db)).length, 3)
  await makeDue(db, 1)
  t.match(await trip(db, limits), { atOnce: 4 }, 'what is claimed since counts')
})

t.test(
  'a person whose deletion is held can cancel, and is not released for the next time',
  async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db, 'PT0S')
    const ada = await f.person('ada@example.com')
    const { id } = await f.request(ada)
    await f.publishArchive(id)
    await trip(db, { floor: 0, share: 0 })
    t.strictSame(await claim(db), [])
    await cancelDeletionByToken(db, await f.cancelToken(id))
    t.match(await readHeldDeletions(db), [{ held: 0 }])
    await f.request(await f.logIn('ada@example.com'))
    t.equal(await release(db, 0), 0)
    t.match(await db.selectFrom('deletions').select('released_at').execute(), [
      { released_at: null },
      { released_at: null },
    ])
  },
)

t.test(
  'after any statement, a bad `UPDATE` lets no erasure through that it made due',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 8)
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
  },
)

t.test(
  'concurrent due dates, claims and trips never lead to more claims than the limits allow',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 60)
    const trickle = async (from: number) => {
      for (let i = from; i < from + 10; i++)
        await sql`update public.deletions set erase_after = now() where id =
        (select id from public.deletions order by user_id offset ${i} limit 1)`.execute(db)
    }
    const twenty = { floor: 20, share: 0 }
    await makeDue(db, 5)
    await claimDeletions(db, await leaseDue(db), twenty)
    const trickling = Promise.all([10, 20, 30, 40].map(trickle))
    const over = new AbortController()
    const workers = [1, 2, 3, 4].map(async (number) => {
      while (!over.signal.aborted) {
        await claimDeletions(db, await leaseDue(db, 2), twenty)
        if (number > 2) await tripBreaker(db, twenty)
      }
    })
    await trickling
    over.abort()
    await Promise.all(workers)
    await tripBreaker(db, twenty)
    await claimDeletions(db, await leaseDue(db), twenty)
    t.strictSame(await statuses(db), { erasing: 20, pending: 40 })
    t.equal((await findOpenTrips(db)).length, 1)
  },
)

t.test('passes the oldest requests and holds the rest', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 9)
  await makeDue(db, 9)
  await trip(db, limits)
  const claimed = await claim(db)
  t.equal(claimed.length, 4, 'the greater of three and of half of all, rounded down')
  const { rows } = await sql<{ id: string }>`
    select id from public.deletions order by requested_at limit 4`.execute(db)
  t.strictSame(new Set(claimed), new Set(rows.map(({ id }) => id)))
  t.match(await readHeldDeletions(db), [{ held: 5 }])
})

t.test(
  'a claim that runs while the breaker trips counts, and no other deletion passes in its place',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 8)
    await makeDue(db, 3)
    const lent = await leaseDue(db)
    const claiming = await db.startTransaction().execute()
    t.equal((await claimDeletions(claiming, lent, limits)).deletions.length, 3)
    await sql`update public.deletions set erase_after = now() where lease is null`.execute(db)
    t.strictSame(await tripBreaker(db, limits), [], 'it waits for the claim, then lets go')
    await claiming.commit().execute()
    t.match(await trip(db, limits), { atOnce: 8, passed: 1 })
    await claim(db)
    t.strictSame(await statuses(db), { erasing: 4, pending: 4 })
  },
)

t.test(
  'deletions that come due an hour after a trip continue, unless they exceed the limits too',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 20)
    const tight = { floor: 3, share: 0 }
    await makeDue(db, 6)
    await trip(db, tight)
    t.equal((await claim(db, tight)).length, 3)
    await makeDue(db, 5)
    t.equal(await trip(db, tight), undefined)
    t.equal((await claim(db, tight)).length, 3, 'the same: this hour takes no more')
    await backdateClaims(db)
    t.equal((await claim(db, tight)).length, 5, 'two more')
    t.match(await readHeldDeletions(db), [{ held: 3, since: 0 }])

    await makeDue(db, 15)
    t.match(await trip(db, tight), { passed: 4 }, 'one more has passed')
    t.equal((await findOpenTrips(db)).length, 1)
    await claim(db, tight)
    const { pending = 0 } = await statuses(db)
    const [{ held } = { held: 0 }] = await readHeldDeletions(db)
    t.ok(held > 3 && held <= pending, `${held} of ${pending} are held`)
  },
)

t.test('counts and holds deletions of new accounts separately', async (t) => {
  const { db } = await testDb(t)
  await insertDeletions(db, 8, true)
  await insertDeletions(db, 4)
  await makeDue(db, 12)
  t.match(await tripBreaker(db, { floor: 5, share: 0 }), [
    { newAccounts: true, atOnce: 8, passed: 5 },
  ])
  t.match(await readHeldDeletions(db), [{ held: 3, trip: { newAccounts: true } }])
  t.equal((await claim(db, { floor: 5, share: 0 })).length, 9, 'five that passed, and all others')
})

t.test('200 simultaneous deletions of new accounts do not delay an established one', async (t) => {
  const { db } = await testDb(t)
  const usual = { floor: 20, share: 0.01 }
  const established = async () => {
    const { rows } = await sql`
      select from public.deletions where not new_account and status = 'erasing'`.execute(db)
    return rows.length
  }
  await insertDeletions(db, 200, true)
  await insertDeletions(db, 1)
  await makeDue(db, 201)
  await claim(db, usual)
  t.equal(await established(), 1, 'not even before the trip')
  t.match(await tripBreaker(db, usual), [{ newAccounts: true, atOnce: 200, passed: 20 }])
  await insertDeletions(db, 1)
  await makeDue(db, 202)
  await claim(db, usual)
  t.equal(await established(), 2, 'nor after it')
  t.strictSame(await statuses(db), { erasing: 22, pending: 180 })
})

t.test('an account less than seven days old is new, and its deletion records that', async (t) => {
  const { db } = await testDb(t)
  const f = await createTestContext(db, 'PT0S')
  for (const [age, isNew] of [
    ['6 days 23 hours', true],
    ['7 days 1 hour', false],
  ] as const) {
    const person = await f.person()
    await sql`update public.users set created_at = now() - ${age}::interval where id = ${person.user.id}`.execute(
      db,
    )
    const { id } = await f.request(person)
    t.match(
      await db.selectFrom('deletions').select('new_account').where('id', '=', id).execute(),
      [{ new_account: isNew }],
      age,
    )
  }
})

t.test(
  'a release that was interrupted between two batches continues where it stopped',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 10)
    await makeDue(db, 10)
    const made = await trip(db, { floor: 2, share: 0 })
    t.match(await beginRelease(db, made?.id ?? 0, 8), { begun: true })
    t.equal(await releaseBatch(db, 3), true)
    t.match(
      await readHeldDeletions(db),
      [{ held: 5, trip: { released: 8 } }],
      'the process ends here',
    )

    await makeDue(db, 10)
    t.match(
      await beginRelease(db, made?.id ?? 0, 5),
      { begun: false, held: 8 },
      'not compared again',
    )
    t.match(await beginRelease(db, made?.id ?? 0, 8), { begun: true })
    t.equal(await releaseBatch(db, 3), true)
    t.equal(await releaseBatch(db, 3), true)
    t.equal(await releaseBatch(db, 3), false, 'closed with the last')
    t.match(await db.selectFrom('breaker_trips').selectAll().execute(), [
      { released: 8, marked: 8, released_at: Date },
    ])
  },
)

t.test(
  'a release never marks more than its number, nor a row that a cancel has locked',
  async (t) => {
    const { db } = await testDb(t)
    await insertDeletions(db, 10)
    await makeDue(db, 8)
    const made = await trip(db, { floor: 2, share: 0 })
    const cancelling = await db.startTransaction().execute()
    await sql`update public.deletions set status = 'cancelled', cancelled_at = now(), token_nonce = null where id = (
    select id from public.deletions where status = 'pending' and passed_at is null and erase_after <= now() limit 1)`.execute(
      cancelling,
    )
    t.match(await beginRelease(db, made?.id ?? 0, 6), { begun: true })
    // A bad UPDATE, run after the operator looked, dates these deletions before that.
    await sql`update public.deletions set erase_after = requested_at where status = 'pending' and erase_after > now()`.execute(
      db,
    )
    for (let times = 0; times < 3; times++) await releaseBatch(db, 4)
    const released = async () =>
      (await sql`select from public.deletions where released_at is not null`.execute(db)).rows
        .length
    t.equal(await released(), 6)
    await cancelling.commit().execute()
    await until('the release is done', async () => !(await releaseBatch(db, 2)))
    t.equal(await released(), 6)
  },
)

/** Inserts users, each with a pending deletion that is not due. Later users have earlier requests. */
async function insertDeletions(db: Db, users: number, newAccounts = false): Promise<void> {
  await sql`
    with made as (
      insert into public.users (email, password_hash, active)
      select gen_random_uuid() || '@example.com', '$argon2id$', false from generate_series(1, ${users}::integer)
      returning id
    )
    insert into public.deletions (user_id, requested_at, erase_after, next_attempt_at, token_nonce, token_hash, new_account)
    select id, now() - interval '1 day' - id * interval '1 second', now() + interval '1 day', now(), sha256(id::text::bytea), sha256(gen_random_uuid()::text::bytea), ${newAccounts}::boolean
    from made`.execute(db)
}

/** A bad UPDATE that makes this many pending deletions due at once. */
async function makeDue(db: Db, deletions: number): Promise<void> {
  await sql`
    with first as (
      select id from public.deletions where status = 'pending' and released_at is null order by user_id limit ${deletions}
    )
    update public.deletions set erase_after = least(erase_after, now()) from first where deletions.id = first.id`.execute(
    db,
  )
}

/** Leases the first due or claimed deletions, as the sweep would without the breaker. */
async function leaseDue(db: Db, limit = 1_000): Promise<string> {
  const lease = randomUUID()
  await sql`
    with free as (
      select id from public.deletions where status = 'erasing' or status = 'pending' and erase_after <= now()
      limit ${limit} for update skip locked
    )
    update public.deletions set lease = ${lease} from free where deletions.id = free.id`.execute(db)
  return lease
}

async function claim(db: Db, by: BreakerLimits = limits): Promise<string[]> {
  const { deletions } = await claimDeletions(db, await leaseDue(db), by)
  return deletions.map(({ id }) => id)
}

async function eraseDue(db: Db): Promise<string[]> {
  return finishErasure(
    db,
    await planErasure(db),
    await claimDeletions(db, await leaseDue(db), limits),
  )
}

async function statuses(db: Db): Promise<Record<string, number>> {
  const { rows } = await sql<{ status: string; n: number }>`
    select status, count(*) as n from public.deletions group by 1 order by 1`.execute(db)
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]))
}

/** Trips the breaker of one kind of account and returns the trip. */
async function trip(db: Db, by: BreakerLimits): Promise<Trip | undefined> {
  const [made] = await tripBreaker(db, by)
  return made
}

/** Releases the trip like the CLI. Returns the held number, or undefined if nothing is held. */
async function release(db: Db, expected: number): Promise<number | undefined> {
  const [open] = await findOpenTrips(db)
  const release = open && (await beginRelease(db, open.id, expected))
  if (!release?.begun) return release?.held
  await until('the release is done', async () => !(await releaseBatch(db)))
  return expected
}

/** Moves all claims to more than an hour ago. */
async function backdateClaims(db: Db): Promise<void> {
  await sql`update public.deletions set requested_at = requested_at - interval '2 hours',
    erase_after = erase_after - interval '2 hours', claimed_at = claimed_at - interval '2 hours'
    where claimed_at is not null`.execute(db)
}
