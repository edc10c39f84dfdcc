import { planErasure } from '@lethe/accounts'
import { type Db, pendingMigrations } from '@lethe/db'
import { formatMapProblem, IncompleteDataMapError } from '@lethe/erasure'
import { type Finding, ok, wrong } from './finding.ts'

/** What the worker does at its start, and refuses to start without. */
export async function checkPlan({ db }: { db: Db }): Promise<Finding[]> {
  if ((await pendingMigrations(db)).length > 0) return []
  try {
    const { steps } = await planErasure(db)
    return [ok(`an erasure has ${steps.length} steps, and no table of a person is left out`)]
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    return error.faults.map((fault) =>
      wrong(
        formatMapProblem(fault),
        'decide it in the data map, or change the database: docs/data-map.md',
      ),
    )
  }
}
