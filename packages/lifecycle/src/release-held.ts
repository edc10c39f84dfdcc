import { setTimeout } from 'node:timers/promises'
import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { isDue, isHeld, isUnreleased } from './circuit-breaker.ts'

/** A cancel waits for one batch at most. */
const BATCH_SIZE = 1_000
const RETRY_MS = 50

/** `held` is the number that the trip holds, if it differs from the expected one. */
export type Release = { begun: true } | { begun: false; held: number }

/**
 * Begins to release what a trip holds, if it is the number that the operator expects. The number is compared once,
 * under the lock of the trip's row, and recorded there with a date: deletions due by then belong to the release.
 * Calling it again with the number of a release that has begun does nothing. Returns undefined if the trip is closed.
 */
export async function beginRelease(
  db: Db,
  tripId: number,
  expected: number,
): Promise<Release | undefined> {
  return db.transaction().execute(async (tx) => {
    const trip = await tx
      .selectFrom('breaker_trips')
      .select('released')
      .where('id', '=', tripId)
      .where('released_at', 'is', null)
      .forUpdate()
      .executeTakeFirst()
    if (!trip) return undefined
    if (trip.released !== null)
      return trip.released === expected ? { begun: true } : { begun: false, held: trip.released }
    // A separate statement after the lock, so that its snapshot sees what any earlier trip has passed.
    const { rows } = await sql<{ held: number; begun: boolean }>`
      with counted as (
        select count(*) as held from public.breaker_trips t, public.deletions d where t.id = ${tripId} and ${isHeld}
      ), begun as (
        update public.breaker_trips t set released = counted.held, release_until = least(t.held_until, now())
        from counted where t.id = ${tripId} and counted.held = ${expected}::bigint returning t.id
      )
      select held, exists (select from begun) as begun from counted`.execute(tx)
    const { held, begun } = rows[0] ?? { held: 0, begun: false }
    return begun ? { begun } : { begun, held }
  })
}

export const hasReleaseToFinish: RawBuilder<boolean> = sql`
  exists (select from public.breaker_trips t where t.released_at is null and t.released is not null)`

// The row comparison matches only the index of unreleased deletions. The other indexes still list marked ones, so
// each batch would scan more of them.
const ofTrip = sql`
  public.deletions d where ${isUnreleased} and ${isDue}
    and (d.new_account, d.erase_after) >= ((select new_accounts from trip), timestamptz '-infinity')
    and (d.new_account, d.erase_after) <= ((select new_accounts from trip), (select release_until from trip))`

/**
 * Marks one batch of a release that has begun, and closes the trip with the last one. It never marks more than the
 * recorded number, nor a deletion that came due after the recorded date. It skips a deletion that another transaction
 * has locked, such as a cancel, so no deadlock can occur; the next batch takes it. Returns whether there may be more.
 */
export async function releaseBatch(db: Db, limit = BATCH_SIZE): Promise<boolean> {
  const { rows } = await sql<{ marked: number; closed: boolean }>`
    with trip as (
      select t.* from public.breaker_trips t where t.released_at is null and t.released is not null
      order by t.id limit 1 for update
    ), held as (
      select d.id from ${ofTrip} order by d.new_account, d.erase_after limit least(${limit}::bigint, (select released - marked from trip)) for update skip locked
    ), marked as (
      update public.deletions d set released_at = now() where d.id = any(array(select id from held)) returning d.id
    ), left_over as (
      select from ${ofTrip} limit ${limit}::bigint + 1
    ), counted as (
      select (select count(*) from marked) as marked, (select count(*) from left_over) as found
    )
    update public.breaker_trips t
    set marked = t.marked + counted.marked,
      released_at = case when counted.marked = counted.found or t.marked + counted.marked = t.released then now() end
    from trip, counted where t.id = trip.id
    returning counted.marked, t.released_at is not null as closed`.execute(db)
  const [batch] = rows
  if (!batch) return false
  if (batch.marked === 0 && !batch.closed) await setTimeout(RETRY_MS)
  return true
}
