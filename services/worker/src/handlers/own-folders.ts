import { release } from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { retryDelays } from '../retry-delays.ts'

/** Whether the folders are this database's still. Where they are not, the job gives its rows back, and nothing is written or removed. */
export async function foldersAreOurs(
  table: 'deletions' | 'exports',
  lease: string,
  { db, folders, log }: HandlerDeps,
): Promise<boolean> {
  const reason = await folders.whyNot()
  if (reason === undefined) return true
  log.error({ reason }, 'folders.refused')
  await release(db, table, lease, retryDelays.databaseUnavailable)
  return false
}
