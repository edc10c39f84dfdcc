import { planErasure } from '@lethe/accounts'
import { type Db, pendingMigrations } from '@lethe/db'
import { formatMapProblem, IncompleteDataMapError } from '@lethe/erasure'
import { type Finding, ok, wrong } from './finding.ts'

/** Makes the plan as the worker does at its start; the worker does not start without one. */
export async function checkPlan({ db }: { db: Db }): Promise<Finding[]> {
  if ((await pendingMigrations(db)).length > 0) return []
  try {
    const { steps } = await planErasure(db)
    return [ok(`an erasure has ${steps.length} steps and covers every table with data of a person`)]
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    return error.problems.map((fault) =>
      wrong(
        formatMapProblem(fault),
        'add a decision to the data map, or change the database (docs/data-map.md)',
      ),
    )
  }
}
