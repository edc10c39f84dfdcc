import type { Db, Tx } from '@lethe/db'
import { makePlan, NoPlan, type Plan } from '@lethe/erasure'
import { dataMap } from './data-map.ts'

/** How people are erased from the database as it is now. Throws `NoPlan` where something of theirs would be forgotten. */
export function planErasure(db: Db | Tx): Promise<Plan> {
  return makePlan(db, dataMap)
}

/** Why nobody may be erased: a line for each thing that would be forgotten, with the remedy. */
export async function whyNoPlan(db: Db): Promise<string | undefined> {
  try {
    await planErasure(db)
    return undefined
  } catch (error) {
    return error instanceof NoPlan ? error.message : 'The database cannot be reached.'
  }
}
