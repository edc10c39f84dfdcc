import { setTimeout } from 'node:timers/promises'
import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { isDue, isHeld, notReleased } from './circuit-breaker.ts'

/** A cancel waits for one batch at most. */
const BATCH_SIZE = 1_000
const RETRY_MS = 50

/** `held` is what the trip holds, where that is not the number that was expected. */
export type Release = { begun: true } | { begun: false; held: number }

/**
 * Begins to release what a trip holds, if it is as many as the operator expects: the number is compared once, under the lock
 * of the trip's row, and recorded there with the date until which a deletion belongs to it. Asked again for a release that
 * has begun, with its number, it does nothing. Undefined where the trip is closed.
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
    // A statement after the lock: its snapshot sees what any trip before has let pass.
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

// Compared as rows, so that only the index of what is not released fits: the others still list what is marked already, and each
// batch would walk over more of it.
const ofTrip = sql`
  public.deletions d where ${notReleased} and ${isDue}
    and (d.new_account, d.erase_after) >= ((select new_accounts from trip), timestamptz '-infinity')
    and (d.new_account, d.erase_after) <= ((select new_accounts from trip), (select release_until from trip))`

/**
 * Marks one batch of a release that has begun, and closes the trip with the last. Never more than the recorded number, and
 * nothing that came due after the recorded date. A deletion that somebody has locked, such as a cancel, is left for the next
 * batch, so nobody waits for each other in a circle. Returns whether there may be more.
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
