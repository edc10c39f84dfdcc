import { formatMapProblem, IncompleteDataMapError, makePlan, type Plan } from '@lethe/erasure'
import { claimDeletions, LeaseLostError, release, withLease } from '@lethe/lifecycle'
import type { Payload } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter, retryDelays } from '../retry-delays.ts'
import { eraseClaimed } from './erase-claimed.ts'
import { eraseFiles } from './erase-files.ts'
import { ownsFolders } from './owns-folders.ts'

/** The claim commits before anything is erased, so after a crash the next worker resumes from it. */
export async function eraseAccounts(
  job: Payload<'erase-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, log, stop, breakerLimits } = deps
  const plan = await makePlanOrRelease(job.lease, deps)
  if (!plan || !(await ownsFolders('deletions', job.lease, deps))) return
  const claim = await claimDeletions(db, job.lease, breakerLimits)
  if (claim.deletions.length === 0) return
  log.info({ deletions: claim.deletions.length }, 'deletions.claimed')
  try {
    const erased = await withLease(
      db,
      'deletions',
      claim.lease,
      async (signal) => {
        const deletions = await eraseFiles(plan, claim, deps, signal)
        return eraseClaimed(plan, { lease: claim.lease, deletions }, deps, signal)
      },
      stop,
    )
    log.info({ deletions: erased.length }, 'deletions.erased')
  } catch (err) {
    if (err instanceof LeaseLostError) return
    if (!stop.aborted) log.error({ err }, 'deletions.postponed')
    await release(db, 'deletions', claim.lease, delaysAfter(err, stop, 'erasure'))
  }
}

/** Detects a changed schema before any deletion is claimed: without a complete data map nothing may be erased. */
async function makePlanOrRelease(
  lease: string,
  { db, log, dataMap }: HandlerDeps,
): Promise<Plan | undefined> {
  try {
    return await makePlan(db, dataMap)
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    log.error({ reasons: error.problems.map(formatMapProblem) }, 'erasure.refused')
    await release(db, 'deletions', lease, retryDelays.databaseUnavailable)
    return undefined
  }
}
