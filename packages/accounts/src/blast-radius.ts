import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

/** Erasure stops when more deletions are due at once than both of these allow: one alone stops nothing. */
export interface BlastRadius {
  /** Deletions, however few users there are. */
  floor: number
  /** Of all users, from 0 to 1. */
  share: number
}

/** The breaker has tripped; it stays so until an operator releases what it holds. */
export interface Trip extends BlastRadius {
  trippedAt: Date
  /** Deletions that were due at once, and users that there were. */
  atOnce: number
  users: number
}

/** What an operator looks at before they release. */
export interface Held {
  trip: Trip
  /** Due when it tripped, still pending, and due now: what a release is about. */
  held: number
  /** Come due since then: they wait too, and are counted anew after the release. */
  since: number
}

/**
 * What counts: due and not yet claimed, or claimed within the last hour, so that a trickle is counted as a flood is.
 * Not what the operator released, nor what was claimed before they last did. A clock that was wrong may have left claims
 * and releases in the future: they are of no hour of ours.
 */
const counted = sql`(
  select status from public.deletions
  where status = 'pending' and erase_after <= now() and released_at is null
  union all
  select status from public.deletions
  where claimed_at > greatest(now() - interval '1 hour',
      (select max(released_at) from public.breaker_trips where released_at <= now()))
    and claimed_at <= now() + interval '1 hour' and released_at is null
) as counted`

const counts = sql`(
  select count(*) as at_once, count(*) filter (where status = 'erased') as erased from ${counted}
) as n`

/** How many deletions count at this moment. */
export const atOnce: RawBuilder<number> = sql`(select count(*) from ${counted})`

/** Whether erasure is stopped. */
export const isStopped: RawBuilder<boolean> = sql`exists (select from public.breaker_trips where released_at is null)`

/** Users are counted only once the floor is exceeded, and only as far as it takes to know. */
function exceeds({ floor, share }: BlastRadius): RawBuilder<boolean> {
  const enough = sql`select from lethe.people limit ceil(n.at_once / nullif(${share}::numeric, 0))`
  return sql`(
    select n.at_once > ${floor}::bigint
      and n.at_once > ${share}::numeric * (n.erased + (select count(*) from (${enough}) as enough))
    from ${counts}
  )`
}

/**
 * Whether no deletion may be claimed that was not released: the breaker has tripped, or is about to.
 *
 * It belongs into the statement that claims, because that has one snapshot: whoever is due in it is counted in it. So no
 * gap between counting and claiming is left for a bad UPDATE, however many workers there are and whatever jobs they were
 * lent before: of what it makes due not one is claimed, and of a trickle never more than the limits allow.
 * It depends on no row, so PostgreSQL works it out once for a statement, and only if some row is due.
 */
export function holdsBack(limits: BlastRadius): RawBuilder<boolean> {
  return sql`(select ${isStopped} or ${exceeds(limits)})`
}

/** Whether the breaker is to trip. */
export function hasTripped(limits: BlastRadius): RawBuilder<boolean> {
  return sql`(not ${isStopped} and ${exceeds(limits)})`
}

/**
 * Trips the breaker where the limits are exceeded; returns the trip to the one worker that did.
 * Nothing but a release undoes it, even if fewer are due a moment later.
 */
export async function tripBreaker(db: Db, limits: BlastRadius): Promise<Trip | undefined> {
  const { rows } = await sql<Trip>`
    insert into public.breaker_trips (at_once, users, floor, share)
    select n.at_once, n.erased + (select count(*) from lethe.people), ${limits.floor}, ${limits.share} from ${counts}
    where ${hasTripped(limits)}
    on conflict do nothing
    returning ${facts}`.execute(db)
  return rows[0]
}

/** The trip that keeps erasure stopped. */
export async function openTrip(db: Db): Promise<Trip | undefined> {
  const { rows } = await sql<Trip>`
    select ${facts} from public.breaker_trips where released_at is null`.execute(db)
  return rows[0]
}

/** For a person to read. */
export function describeTrip({ trippedAt, atOnce, users, floor, share }: Trip): string {
  const since = trippedAt.toISOString().slice(0, 19)
  return `Erasure has been stopped since ${since}Z: ${atOnce} deletions were due at once, more than ${floor} and more than ${share} of the ${users} users.`
}

const facts = sql`tripped_at as "trippedAt", at_once as "atOnce", users, floor, share::float8`

/** The number stands still while the operator looks: whoever comes due later is not among them. */
const isHeld = sql`(
  d.status = 'pending' and d.released_at is null and d.erase_after <= least(trip.tripped_at, now())
)`

export async function readHeld(db: Db): Promise<Held | undefined> {
  const trip = await openTrip(db)
  if (!trip) return undefined
  const { rows } = await sql<Omit<Held, 'trip'>>`
    select count(*) filter (where ${isHeld}) as held, count(*) filter (where not ${isHeld}) as since
    from public.deletions d, public.breaker_trips trip
    where trip.released_at is null and d.status = 'pending' and d.released_at is null and d.erase_after <= now()`.execute(
    db,
  )
  return { trip, ...(rows[0] ?? { held: 0, since: 0 }) }
}

/**
 * Releases what the breaker holds and closes it: all of it or nothing, and only if it is as many as the operator expects.
 * Returns how many are held; undefined where erasure is not stopped. Locked in the order of their ids, as a claim does.
 */
export async function releaseHeld(db: Db, expected: number): Promise<number | undefined> {
  const { rows } = await sql<{ held: number }>`
    with trip as (
      select id, tripped_at from public.breaker_trips where released_at is null for update
    ), held as (
      select d.id from public.deletions d, trip where ${isHeld} order by d.id for update of d
    ), as_expected as (
      select trip.id from trip where (select count(*) from held) = ${expected}::bigint
    ), released as (
      update public.deletions d set released_at = now() from held where d.id = held.id and exists (select from as_expected)
    ), closed as (
      update public.breaker_trips b set released_at = now(), released = ${expected} from as_expected where b.id = as_expected.id
    )
    select (select count(*) from held) as held from trip`.execute(db)
  return rows[0]?.held
}
