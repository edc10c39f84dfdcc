import { setTimeout } from 'node:timers/promises'
import type { Db } from '@lethe/db'
import { type DataMap, eraseChunk, makePlan } from '@lethe/erasure'
import { sql } from 'kysely'
import type { ClaimedDeletion } from './claim.ts'
import { lockLeased, sumOf } from './erase.ts'

/**
 * How fast the rows of one large account are erased: the rows per transaction, and the pause after each as a multiple
 * of its duration.
 */
export interface Pace {
  rows: number
  rest: number
}

/**
 * Erases most rows of a claimed person before the final transaction, in chunks that hold locks briefly and pause for
 * other work. Each chunk is a transaction that counts what it erased, so the next worker continues where a dead one
 * stopped. The plan is requested before each chunk, so that a schema change is noticed.
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
