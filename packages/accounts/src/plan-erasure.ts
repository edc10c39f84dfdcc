import type { Db, Tx } from '@lethe/db'
import { makePlan, type Plan } from '@lethe/erasure'
import { dataMap } from './data-map.ts'

/**
 * Plans how to erase people from the database in its current schema. Throws `IncompleteDataMapError` if the map omits
 * personal data.
 */
export function planErasure(db: Db | Tx): Promise<Plan> {
  return makePlan(db, dataMap)
}
