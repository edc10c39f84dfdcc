import { formatMapProblem, IncompleteDataMapError, makePlan } from '@lethe/erasure'
import type { Deps } from './deps.ts'

/** The problems of the data map, one line each with its remedy; undefined if there are none. Erasure needs a complete map. */
export async function findMapProblems({
  db,
  dataMap,
}: Pick<Deps, 'db' | 'dataMap'>): Promise<string[] | undefined> {
  try {
    await makePlan(db, dataMap)
    return undefined
  } catch (error) {
    if (error instanceof IncompleteDataMapError) return error.problems.map(formatMapProblem)
    throw error
  }
}
