import type { Db, Tx } from '@lethe/db'
import { makePlan, type Plan } from '@lethe/erasure'
import { dataMap } from './data-map.ts'

/** How people are erased from the database as it is now. Throws `IncompleteDataMapError` where something of theirs would be forgotten. */
export function planErasure(db: Db | Tx): Promise<Plan> {
  return makePlan(db, dataMap)
}
