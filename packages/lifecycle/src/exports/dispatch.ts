import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { hasFree, lendEach, lendTogether } from '../lease.ts'

const TOGETHER = 20
const ALONE = 10

const unmade = sql<boolean>`d.status = 'pending'`

export const hasExportsToMake: RawBuilder<boolean> = hasFree('exports', unmade)

/**
 * Lends exports that are to be made, and returns the leases: one for many that nobody has begun yet, and one for each that was
 * begun before. It may have failed, or be much (`packages/archive/src/collect/read-people.ts`): nobody fails, or waits, again and again
 * for another one's sake.
 */
export async function lendExports(db: Db): Promise<string[]> {
  const untried = sql<boolean>`${unmade} and d.attempts = 0`
  const tried = sql<boolean>`${unmade} and d.attempts > 0`
  const together = await lendTogether(db, 'exports', untried, TOGETHER)
  const alone = await lendEach(db, 'exports', tried, ALONE)
  return together ? [together, ...alone] : alone
}
