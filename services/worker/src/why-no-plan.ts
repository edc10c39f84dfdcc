import { formatMapProblem, IncompleteDataMapError, makePlan } from '@lethe/erasure'
import type { Deps } from './deps.ts'

/** Why nobody may be erased: a line for each thing that would be forgotten, with the remedy. Nothing where all is well. */
export async function whyNoPlan({
  db,
  dataMap,
}: Pick<Deps, 'db' | 'dataMap'>): Promise<string[] | undefined> {
  try {
    await makePlan(db, dataMap)
    return undefined
  } catch (error) {
    if (error instanceof IncompleteDataMapError) return error.faults.map(formatMapProblem)
    throw error
  }
}
