import { type Db, isContended, type Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

/** The breaker trips when the deletions of an hour exceed both limits. */
export interface BreakerLimits {
  /** A number of deletions, however few users there are. */
  floor: number
  /** A share of all users, from 0 to 1. */
  share: number
}

/** The breaker has tripped for one kind of account. It stays tripped until an operator releases the held deletions. */
export interface Trip extends BreakerLimits {
  id: number
  /** True for accounts that were less than a week old at the request, false for all others. */
  newAccounts: boolean
  trippedAt: Date
  /** The highest number of deletions within an hour, and the users, when the breaker tripped or last held more. */
  atOnce: number
  users: number
  /** The number of oldest requests that continue in spite of the trip. */
  passed: number
  /** The number that the operator released, while the worker still marks them; null before a release. */
  released: number | null
}

/** What an operator checks before a release. */
export interface HeldDeletions {
  trip: Trip
  /** Deletions that the trip holds and that are pending and due now: a release covers these. */
  held: number
  /**
   * Deletions that came due since the trip. They may wait up to an hour, because those that passed count for this
   * hour. Then they continue; if they alone exceed the limits, they are held too.
   */
  since: number
}

/**
 * Each kind has its own breaker: a stranger can create any number of new accounts, and these must not hold up others.
 */
const newAccountKinds = [false, true] as const

/** Takes a column with the creation time of an account. Without such a time an account counts as established. */
export function isNewAccount(createdAt: RawBuilder<Date>): RawBuilder<boolean> {
  return sql`coalesce(${createdAt} > now() - interval '7 days', false)`
}

/** The date of the deletion has passed, on the database's clock. */
export const isDue = sql<boolean>`d.erase_after <= now()`

// These conditions are exactly those of the indexes in migrations/0014_size.sql.
const mayProceed = sql`(d.released_at is not null or (d.passed_at >= d.erase_after) is true)`
export const isUnreleased = sql`
  d.status = 'pending' and d.released_at is null and (d.passed_at >= d.erase_after) is not true`

const openTrip = (newAccounts: boolean) => sql`
  public.breaker_trips t where t.released_at is null and t.new_accounts = ${sql.lit(newAccounts)}`

/** The open trip holds whatever is due by this date and has not passed; counting begins after it. */
const heldUntil = (newAccounts: boolean) => sql`
  coalesce((select t.held_until from ${openTrip(newAccounts)}), '-infinity')`

/** Deletions that are due and that no trip holds. */
const dueDeletions = (newAccounts: boolean) => sql`
  public.deletions d where ${isUnreleased} and d.new_account = ${sql.lit(newAccounts)}
    and d.erase_after > ${heldUntil(newAccounts)} and ${isDue}`

/**
 * Deletions that count for this hour. Claims of the last hour count, so slow claims add up, and so do deletions that
 * passed but are not claimed. Claims before the last release do not count. A wrong clock may have left times in the
 * future: claims more than an hour ahead, and all such releases, are ignored.
 */
const deletionsOfThisHour = (newAccounts: boolean) => sql`(
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

const countDeletions = (newAccounts: boolean) => sql`(
  select (select count(*) from ${dueDeletions(newAccounts)}) as due, h.hour, h.erased
  from (select count(*) as hour, count(*) filter (where status = 'erased') as erased from ${deletionsOfThisHour(newAccounts)}) as h
) as n`

/**
 * Counts users only if the floor is exceeded, and only as many as the comparison needs. People erased within this hour
 * still count as users, so that erasures do not lower the limit.
 */
function exceedsLimits({ floor, share }: BreakerLimits, deletions: RawBuilder<unknown>) {
  if (share >= 1) return sql<boolean>`false`
  const enough = sql`select from lethe.people limit coalesce(ceil(${deletions} / nullif(${share}::numeric, 0)), 0)`
  return sql<boolean>`(
    ${deletions} > ${floor}::bigint
    and ${deletions} > ${share}::numeric * (n.erased + (select count(*) from (${enough}) as enough)))`
}

/** Whether more deletions are due, or count for this hour, than may continue without a release. */
function isExceeded(limits: BreakerLimits, newAccounts: boolean): RawBuilder<boolean> {
  if (limits.share >= 1) return sql`false`
  return sql`(select ${exceedsLimits(limits, sql`(n.due + n.hour)`)} from ${countDeletions(newAccounts)})`
}

/**
 * Whether this deletion (`d`) may not be claimed before a release: the breaker of its kind has tripped and holds it,
 * or more deletions are due within the hour than the limits allow.
 *
 * This condition belongs in the claiming statement, whose single snapshot both counts and claims. A bad UPDATE
 * therefore finds no gap between the two: without a release or a pass, all workers together never claim more within
 * an hour than the limits allow, whatever jobs were dispatched before. The count depends on no row, so PostgreSQL
 * computes it once per statement, and only if a row needs it. Deletions that a trip holds are not counted again.
 */
export function isErasureBlocked(limits: BreakerLimits): RawBuilder<boolean> {
  const [established, fresh] = newAccountKinds.map(
    (newAccounts) => sql`
      d.erase_after <= (select ${heldUntil(newAccounts)}) or (select ${isExceeded(limits, newAccounts)})`,
  )
  return sql`(not ${mayProceed} and case when d.new_account then ${fresh} else ${established} end)`
}

/**
 * Returns the ids of deletions that can be due, in two groups: those claimed, released or passed, and for each kind
 * those that its breaker does not hold. Indexes find them however many are held. `mayBeClaimed` decides on each.
 */
export function claimableIds(
  limits: BreakerLimits,
  mayBeClaimed: RawBuilder<boolean>,
  limit: number,
) {
  const free = sql`d.next_attempt_at <= now() and ${mayBeClaimed}`
  const unheld = newAccountKinds.map(
    (newAccounts) => sql`
      select d.id from ${dueDeletions(newAccounts)} and not (select ${isExceeded(limits, newAccounts)}) and ${free} limit ${limit}`,
  )
  return sql`(
    (select d.id from public.deletions d
      where (d.status = 'erasing' or d.status = 'pending' and ${mayProceed}) and ${free} order by d.next_attempt_at limit ${limit})
    union all (${sql.join(unheld, sql`) union all (`)})
  )`
}

/**
 * The breaker has already tripped, and more deletions have come due since than the limits allow: these are held too.
 */
const mustHold = (limits: BreakerLimits, newAccounts: boolean) => sql<boolean>`
  case when exists (select from ${openTrip(newAccounts)}) then ${exceedsLimits(limits, sql`n.due`)}
    else n.due > 0 and ${exceedsLimits(limits, sql`(n.due + n.hour)`)} end`

/** Whether a breaker must trip. */
export function mustTrip(limits: BreakerLimits): RawBuilder<boolean> {
  if (limits.share >= 1) return sql`false`
  const each = newAccountKinds.map(
    (newAccounts) => sql`(
      exists (select from ${dueDeletions(newAccounts)})
      and (select ${mustHold(limits, newAccounts)} from ${countDeletions(newAccounts)}))`,
  )
  return sql`(${sql.join(each, sql` or `)})`
}

/** How long a trip waits for running claims. After that, the next check tries again; no more deletions get through. */
const TRIP_LOCK_TIMEOUT_MS = 1_000

/**
 * Trips the breaker of each kind whose limits are exceeded, and returns the trips to the one worker that tripped
 * them. Only a release undoes a trip, even if fewer deletions are due a moment later. The oldest requests continue,
 * as many as the limits allow in an hour.
 *
 * The lock makes this transaction wait for running claims, and makes later claims wait for it. What is counted here
 * as unclaimed therefore stays unclaimed, and the oldest requests can continue within the limits. A claim takes the
 * opposite lock before its snapshot (`claimDeletions`).
 */
export async function tripBreaker(db: Db, limits: BreakerLimits): Promise<Trip[]> {
  try {
    return await db.transaction().execute(async (tx) => {
      await sql`set local lock_timeout = ${sql.lit(TRIP_LOCK_TIMEOUT_MS)}`.execute(tx)
      await sql`lock table public.breaker_trips in exclusive mode`.execute(tx)
      const trips: Trip[] = []
      for (const newAccounts of newAccountKinds)
        if (await holdDueDeletions(tx, limits, newAccounts))
          trips.push(await passOldest(tx, newAccounts))
      return trips
    })
  } catch (error) {
    // The next check tries again. Until then no claim exceeds the limits, because the claiming statement counts too.
    if (isContended(error)) return []
    throw error
  }
}

/** Holds all due deletions of this kind, by a new trip or by the open one. */
async function holdDueDeletions(
  tx: Tx,
  limits: BreakerLimits,
  newAccounts: boolean,
): Promise<boolean> {
  const { rows } = await sql`
    insert into public.breaker_trips as t (new_accounts, at_once, users, floor, share)
    select ${newAccounts}::boolean, n.due + n.hour, n.erased + (select count(*) from lethe.people),
      ${limits.floor}, ${limits.share}
    from ${countDeletions(newAccounts)} where ${mustHold(limits, newAccounts)}
    on conflict (new_accounts) where released_at is null do update
    set at_once = greatest(t.at_once, excluded.at_once), users = excluded.users, floor = excluded.floor,
      share = excluded.share, held_from = t.held_until, held_until = now()
    returning t.id`.execute(tx)
  return rows.length > 0
}

/** Passes the oldest of the deletions just held: as many as this hour still allows. */
async function passOldest(tx: Tx, newAccounts: boolean): Promise<Trip> {
  const { rows } = await sql<Trip>`
    with trip as (
      select t.*, greatest(t.floor, floor(t.share * t.users))
        - (select count(*) from ${deletionsOfThisHour(newAccounts)}) as room
      from ${openTrip(newAccounts)}
    ), oldest as (
      select d.id from public.deletions d
      where ${isUnreleased} and d.new_account = ${sql.lit(newAccounts)}
        and d.erase_after > (select held_from from trip) and d.erase_after <= (select held_until from trip)
      order by d.requested_at, d.id limit (select greatest(room, 0) from trip) for update
    ), passed as (
      update public.deletions d set passed_at = now() where d.id = any(array(select id from oldest)) returning d.id
    )
    update public.breaker_trips t set passed = t.passed + (select count(*) from passed)
    from trip where t.id = trip.id
    returning ${tripColumns}`.execute(tx)
  return rows[0] as Trip
}

const tripColumns = sql`t.id, t.new_accounts as "newAccounts", t.tripped_at as "trippedAt", t.at_once as "atOnce",
  t.users, t.floor, t.share::float8, t.passed, t.released`

/** Whether any erasure is held. */
export const isErasureStopped: RawBuilder<boolean> = sql`exists (select from public.breaker_trips where released_at is null)`

/** Counts the deletions of this kind that are due and not held, and those that count for this hour. */
export function countedAtOnce(newAccounts: boolean): RawBuilder<number> {
  return sql`(select n.due + n.hour from ${countDeletions(newAccounts)})`
}

/** Returns the trips that hold erasures. */
export async function findOpenTrips(db: Db): Promise<Trip[]> {
  const { rows } = await sql<Trip>`
    select ${tripColumns} from public.breaker_trips t where t.released_at is null order by t.new_accounts`.execute(
    db,
  )
  return rows
}

/** Describes the limits for a person. */
export function describeLimits({ floor, share }: BreakerLimits): string {
  if (share >= 1) return 'the breaker is off, since ERASE_AT_ONCE_SHARE is 1'
  return `the breaker holds what is beyond ${floor} deletions, or beyond ${share} of all users if that is more, within an hour; the oldest requests go on, and accounts younger than 7 days are counted apart`
}

/** Describes the trip for a person. */
export function describeTrip(trip: Trip): string {
  const { trippedAt, atOnce, users, floor, share, passed } = trip
  const since = trippedAt.toISOString().slice(0, 19)
  return `The breaker has held erasures of ${describeKind(trip)} since ${since}Z: ${atOnce} deletions were due at once, more than ${floor} and more than ${share} of the ${users} users. The ${passed} oldest requests go on.`
}

export function describeKind({ newAccounts }: Pick<Trip, 'newAccounts'>): string {
  return newAccounts ? 'accounts that were younger than 7 days' : 'established accounts'
}

/**
 * What this trip (`t`) holds (`d`). The end date does not move while the operator looks: deletions that come due
 * later are not included.
 */
export const isHeld = sql`(
  ${isUnreleased} and d.new_account = t.new_accounts and d.erase_after <= least(t.held_until, now()))`

export async function readHeldDeletions(db: Db): Promise<HeldDeletions[]> {
  const trips = await findOpenTrips(db)
  return Promise.all(
    trips.map(async (trip) => {
      const { rows } = await sql<Omit<HeldDeletions, 'trip'>>`
        select (select count(*) from public.deletions d where ${isHeld}) as held,
          (select count(*) from ${dueDeletions(trip.newAccounts)}) as since
        from public.breaker_trips t where t.id = ${trip.id}`.execute(db)
      return { trip, ...(rows[0] ?? { held: 0, since: 0 }) }
    }),
  )
}
