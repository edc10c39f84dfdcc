import { type Db, isContended, type Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

/** The breaker trips when more deletions are due within an hour than both of these allow: one alone trips nothing. */
export interface BreakerLimits {
  /** Deletions, however few users there are. */
  floor: number
  /** Of all users, from 0 to 1. */
  share: number
}

/** The breaker has tripped for one kind of account; it stays so until an operator releases what it holds. */
export interface Trip extends BreakerLimits {
  id: number
  /** Accounts that were younger than a week when they asked, or the others. */
  newAccounts: boolean
  trippedAt: Date
  /** Deletions that were due within an hour, and users that there were. */
  atOnce: number
  users: number
  /** The oldest requests, which go on all the same. */
  passed: number
  /** What an operator has released of it already, and is being marked. */
  released: number | null
}

/** What an operator looks at before they release. */
export interface HeldDeletions {
  trip: Trip
  /** Held by the trip, still pending, and due now: what a release is about. */
  held: number
  /** Come due since then: these are counted anew, and go on unless they are too many as well. */
  since: number
}

/** Each is counted and held by itself: a stranger can make any number of new accounts, and must not stop others by them. */
const kinds = [false, true] as const

/** For a column with the time at which an account was made. Without such a time an account counts as established. */
export function isNewAccount(createdAt: RawBuilder<Date>): RawBuilder<boolean> {
  return sql`coalesce(${createdAt} > now() - interval '7 days', false)`
}

/** Its date has passed, on the database's clock. */
export const isDue = sql<boolean>`d.erase_after <= now()`

// The indexes of migrations/0014_size.sql have these very conditions.
const mayGo = sql`(d.released_at is not null or (d.passed_at >= d.erase_after) is true)`
export const notReleased = sql`
  d.status = 'pending' and d.released_at is null and (d.passed_at >= d.erase_after) is not true`

const openTripOf = (newAccounts: boolean) => sql`
  public.breaker_trips t where t.released_at is null and t.new_accounts = ${sql.lit(newAccounts)}`

/** What is due by then and has not passed is held by the open trip; counting begins after it. */
const heldUntil = (newAccounts: boolean) => sql`
  coalesce((select t.held_until from ${openTripOf(newAccounts)}), '-infinity')`

/** Deletions that are due, and held by no trip. */
const dueOf = (newAccounts: boolean) => sql`
  public.deletions d where ${notReleased} and d.new_account = ${sql.lit(newAccounts)}
    and d.erase_after > ${heldUntil(newAccounts)} and ${isDue}`

/**
 * Deletions that go on without an operator's release and belong to this hour: claimed within it, so that a trickle counts
 * as a flood does, or passed and not claimed yet. Not what was claimed before the last release. A clock that was wrong may
 * have left claims and releases in the future: they are of no hour of ours.
 */
const ofThisHour = (newAccounts: boolean) => sql`(
  select d.status from public.deletions d
  where d.claimed_at is not null and d.released_at is null and d.new_account = ${sql.lit(newAccounts)}
    and d.claimed_at > greatest(now() - interval '1 hour', (
      select max(t.released_at) from public.breaker_trips t
      where t.released_at <= now() and t.new_accounts = ${sql.lit(newAccounts)}))
    and d.claimed_at <= now() + interval '1 hour'
  union all
  select d.status from public.deletions d
  where d.status = 'pending' and d.released_at is null and (d.passed_at >= d.erase_after) is true
    and d.new_account = ${sql.lit(newAccounts)}
) as of_hour`

const countsOf = (newAccounts: boolean) => sql`(
  select (select count(*) from ${dueOf(newAccounts)}) as due, h.hour, h.erased
  from (select count(*) as hour, count(*) filter (where status = 'erased') as erased from ${ofThisHour(newAccounts)}) as h
) as n`

/** Users are counted only once the floor is exceeded, and only as far as it takes to know. */
function exceeds({ floor, share }: BreakerLimits, deletions: RawBuilder<unknown>) {
  if (share >= 1) return sql<boolean>`false`
  const enough = sql`select from lethe.people limit coalesce(ceil(${deletions} / nullif(${share}::numeric, 0)), 0)`
  return sql<boolean>`(
    ${deletions} > ${floor}::bigint
    and ${deletions} > ${share}::numeric * (n.erased + (select count(*) from (${enough}) as enough)))`
}

/** Whether more are due, or of this hour, than may go on without a release. */
function isExceeded(limits: BreakerLimits, newAccounts: boolean): RawBuilder<boolean> {
  if (limits.share >= 1) return sql`false`
  return sql`(select ${exceeds(limits, sql`(n.due + n.hour)`)} from ${countsOf(newAccounts)})`
}

/**
 * Whether this deletion (`d`) may not be claimed before it is released: its kind's breaker has tripped and holds it, or more
 * are due within the hour than the limits allow.
 *
 * It belongs into the statement that claims, because that has one snapshot: whoever is due in it is counted in it. So no
 * gap between counting and claiming is left for a bad UPDATE, however many workers there are and whatever jobs they were
 * lent before: without a release, and without having passed, never more are claimed within an hour than the limits allow.
 * What is counted depends on no row, so PostgreSQL works it out once for a statement, and only if some row needs it. What a
 * trip holds is not counted again.
 */
export function isErasureBlocked(limits: BreakerLimits): RawBuilder<boolean> {
  const [established, fresh] = kinds.map(
    (newAccounts) => sql`
      d.erase_after <= (select ${heldUntil(newAccounts)}) or (select ${isExceeded(limits, newAccounts)})`,
  )
  return sql`(not ${mayGo} and case when d.new_account then ${fresh} else ${established} end)`
}

/**
 * The ids of deletions that can be due, found by indexes however many are held: those that are claimed, released or passed,
 * and of each kind those that its breaker does not hold. Whether one may be claimed is for `mayBeClaimed` to say.
 */
export function claimableIds(
  limits: BreakerLimits,
  mayBeClaimed: RawBuilder<boolean>,
  limit: number,
) {
  const free = sql`d.next_attempt_at <= now() and ${mayBeClaimed}`
  const unheld = kinds.map(
    (newAccounts) => sql`
      select d.id from ${dueOf(newAccounts)} and not (select ${isExceeded(limits, newAccounts)}) and ${free} limit ${limit}`,
  )
  return sql`(
    (select d.id from public.deletions d
      where (d.status = 'erasing' or d.status = 'pending' and ${mayGo}) and ${free} order by d.next_attempt_at limit ${limit})
    union all (${sql.join(unheld, sql`) union all (`)})
  )`
}

/** Tripped already, and more than the limits allow have come due since: these are held as well. */
const mustHold = (limits: BreakerLimits, newAccounts: boolean) => sql<boolean>`
  case when exists (select from ${openTripOf(newAccounts)}) then ${exceeds(limits, sql`n.due`)}
    else n.due > 0 and ${exceeds(limits, sql`(n.due + n.hour)`)} end`

/** Whether a breaker is to trip. */
export function mustTrip(limits: BreakerLimits): RawBuilder<boolean> {
  if (limits.share >= 1) return sql`false`
  const each = kinds.map(
    (newAccounts) => sql`(
      exists (select from ${dueOf(newAccounts)})
      and (select ${mustHold(limits, newAccounts)} from ${countsOf(newAccounts)}))`,
  )
  return sql`(${sql.join(each, sql` or `)})`
}

/** A claim that takes longer keeps the breaker from tripping for as long; it lets nobody more through. */
const CLAIM_TIMEOUT_MS = 1_000

/**
 * Trips the breaker of each kind whose limits are exceeded, and returns the trips to the one worker that did. Nothing but a
 * release undoes it, even if fewer are due a moment later. As many of the oldest requests as the limits allow in an hour go on.
 *
 * All claims that are under way end first and later ones wait, by the lock: so what is counted here as not claimed is not
 * claimed by anybody else, and the oldest can be let through without going beyond the limits. A claim takes the opposite lock
 * before its snapshot (`claimDeletions`).
 */
export async function tripBreaker(db: Db, limits: BreakerLimits): Promise<Trip[]> {
  try {
    return await db.transaction().execute(async (tx) => {
      await sql`set local lock_timeout = ${sql.lit(CLAIM_TIMEOUT_MS)}`.execute(tx)
      await sql`lock table public.breaker_trips in exclusive mode`.execute(tx)
      const trips: Trip[] = []
      for (const newAccounts of kinds)
        if (await hold(tx, limits, newAccounts)) trips.push(await letOldestPass(tx, newAccounts))
      return trips
    })
  } catch (error) {
    // The next look tries again: as long as too many are due, no claim goes beyond the limits.
    if (isContended(error)) return []
    throw error
  }
}

/** Holds all that is due of this kind, by a new trip or by the open one. */
async function hold(tx: Tx, limits: BreakerLimits, newAccounts: boolean): Promise<boolean> {
  const { rows } = await sql`
    insert into public.breaker_trips as t (new_accounts, at_once, users, floor, share)
    select ${newAccounts}::boolean, n.due + n.hour, n.erased + (select count(*) from lethe.people),
      ${limits.floor}, ${limits.share}
    from ${countsOf(newAccounts)} where ${mustHold(limits, newAccounts)}
    on conflict (new_accounts) where released_at is null do update
    set at_once = greatest(t.at_once, excluded.at_once), users = excluded.users, floor = excluded.floor,
      share = excluded.share, held_from = t.held_until, held_until = now()
    returning t.id`.execute(tx)
  return rows.length > 0
}

/** The oldest requests of what was just held: as many as this hour still takes. */
async function letOldestPass(tx: Tx, newAccounts: boolean): Promise<Trip> {
  const { rows } = await sql<Trip>`
    with trip as (
      select t.*, greatest(t.floor, floor(t.share * t.users))
        - (select count(*) from ${ofThisHour(newAccounts)}) as room
      from ${openTripOf(newAccounts)}
    ), oldest as (
      select d.id from public.deletions d
      where ${notReleased} and d.new_account = ${sql.lit(newAccounts)}
        and d.erase_after > (select held_from from trip) and d.erase_after <= (select held_until from trip)
      order by d.requested_at, d.id limit (select greatest(room, 0) from trip) for update
    ), passed as (
      update public.deletions d set passed_at = now() where d.id = any(array(select id from oldest)) returning d.id
    )
    update public.breaker_trips t set passed = t.passed + (select count(*) from passed)
    from trip where t.id = trip.id
    returning ${facts}`.execute(tx)
  return rows[0] as Trip
}

const facts = sql`t.id, t.new_accounts as "newAccounts", t.tripped_at as "trippedAt", t.at_once as "atOnce",
  t.users, t.floor, t.share::float8, t.passed, t.released`

/** Whether any erasure is held. */
export const isStopped: RawBuilder<boolean> = sql`exists (select from public.breaker_trips where released_at is null)`

/** How many deletions of this kind are due, or of this hour, and what an open trip holds of it. */
export function countedAtOnce(newAccounts: boolean): RawBuilder<number> {
  return sql`(select n.due + n.hour from ${countsOf(newAccounts)})`
}

/** The trips that hold erasures. */
export async function openTrips(db: Db): Promise<Trip[]> {
  const { rows } = await sql<Trip>`
    select ${facts} from public.breaker_trips t where t.released_at is null order by t.new_accounts`.execute(
    db,
  )
  return rows
}

/** The rule, for a person to read. */
export function describeLimits({ floor, share }: BreakerLimits): string {
  if (share >= 1) return 'the breaker is off, since ERASE_AT_ONCE_SHARE is 1'
  return `the breaker holds what is beyond ${floor} deletions, or beyond ${share} of all users if that is more, within an hour; the oldest requests go on, and accounts younger than 7 days are counted apart`
}

/** For a person to read. */
export function describeTrip(trip: Trip): string {
  const { trippedAt, atOnce, users, floor, share, passed } = trip
  const since = trippedAt.toISOString().slice(0, 19)
  return `The breaker has held erasures of ${describeKind(trip)} since ${since}Z: ${atOnce} deletions were due at once, more than ${floor} and more than ${share} of the ${users} users. The ${passed} oldest requests go on.`
}

export function describeKind({ newAccounts }: Pick<Trip, 'newAccounts'>): string {
  return newAccounts ? 'accounts that were younger than 7 days' : 'established accounts'
}

/** What this trip (`t`) holds (`d`). The end stands still while the operator looks: what comes due later is not among it. */
export const isHeld = sql`(
  ${notReleased} and d.new_account = t.new_accounts and d.erase_after <= least(t.held_until, now()))`

export async function readHeldDeletions(db: Db): Promise<HeldDeletions[]> {
  const trips = await openTrips(db)
  return Promise.all(
    trips.map(async (trip) => {
      const { rows } = await sql<Omit<HeldDeletions, 'trip'>>`
        select (select count(*) from public.deletions d where ${isHeld}) as held,
          (select count(*) from ${dueOf(trip.newAccounts)}) as since
        from public.breaker_trips t where t.id = ${trip.id}`.execute(db)
      return { trip, ...(rows[0] ?? { held: 0, since: 0 }) }
    }),
  )
}
