import { release } from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { retryDelays } from '../retry-delays.ts'

/** Whether the folders still belong to this database. If not, releases the rows of the job; it must write and remove nothing. */
export async function ownsFolders(
  table: 'deletions' | 'exports',
  lease: string,
  { db, folders, log }: HandlerDeps,
): Promise<boolean> {
  const reason = await folders.findProblem()
  if (reason === undefined) return true
  log.error({ reason }, 'folders.refused')
  await release(db, table, lease, retryDelays.databaseUnavailable)
  return false
}
