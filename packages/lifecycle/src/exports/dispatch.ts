import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { dispatchBatch, dispatchEach, hasUnleased } from '../lease.ts'

const BATCH_SIZE = 20
const MAX_INDIVIDUAL = 10

const isPending = sql<boolean>`d.status = 'pending'`

export const hasPendingExports: RawBuilder<boolean> = hasUnleased('exports', isPending)

/**
 * Dispatches pending exports and returns the leases: one for many exports that no worker has begun, and one for each
 * that was begun before. The latter may have failed or be large (`packages/archive/src/collect/read-people.ts`), so
 * it must not fail or delay others again and again.
 */
export async function dispatchExports(db: Db): Promise<string[]> {
  const untried = sql<boolean>`${isPending} and d.attempts = 0`
  const tried = sql<boolean>`${isPending} and d.attempts > 0`
  const together = await dispatchBatch(db, 'exports', untried, BATCH_SIZE)
  const alone = await dispatchEach(db, 'exports', tried, MAX_INDIVIDUAL)
  return together ? [together, ...alone] : alone
}
