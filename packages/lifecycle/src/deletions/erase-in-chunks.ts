import { setTimeout } from 'node:timers/promises'
import type { Db } from '@lethe/db'
import { type DataMap, eraseChunk, makePlan } from '@lethe/erasure'
import { sql } from 'kysely'
import type { ClaimedDeletion } from './claim.ts'
import { lockLeased, sumOf } from './erase.ts'

/** How one person's many rows go: so many in one transaction, and then a rest that is so many times as long as it took. */
export interface Pace {
  rows: number
  rest: number
}

/**
 * Erases most of what a claimed person has ahead of the finish, in portions that hold no lock for long and leave the database
 * to others in between. Each is a transaction of its own that counts what it took: whoever follows a worker that died
 * goes on from there. The plan is asked for before each, so that a schema that has changed is noticed.
 */
export async function eraseInChunks(
  db: Db,
  map: DataMap,
  lease: string,
  deletion: ClaimedDeletion,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  for (let place = 0; ; ) {
    signal.throwIfAborted()
    const began = performance.now()
    const erased = await db.transaction().execute(async (tx) => {
      const [held] = await lockLeased(tx, lease, [deletion])
      if (!held) return undefined
      const portion = await eraseChunk(
        tx,
        await makePlan(tx, map),
        place,
        deletion.userId,
        pace.rows,
      )
      if (!portion) return undefined
      const counts = JSON.stringify(sumOf(held.counts, portion))
      await sql`
        update public.deletions set erased_counts = ${counts}::jsonb where id = ${deletion.id} and status = 'erasing'`.execute(
        tx,
      )
      return portion
    })
    if (!erased) return
    const rows = Object.values(erased.tables).reduce((sum, rows) => sum + rows, 0)
    if (rows < pace.rows) place++
    else await setTimeout(pace.rest * (performance.now() - began), undefined, { signal })
  }
}
