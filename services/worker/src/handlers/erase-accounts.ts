import { formatMapProblem, IncompleteDataMapError, makePlan, type Plan } from '@lethe/erasure'
import { claimDeletions, LeaseLostError, release, withLease } from '@lethe/lifecycle'
import type { Payload } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter, retryDelays } from '../retry-delays.ts'
import { eraseClaimed } from './erase-claimed.ts'
import { eraseFiles } from './erase-files.ts'
import { foldersAreOurs } from './own-folders.ts'

/** The claim has committed before anything is erased; whoever follows a worker that died goes on from there. */
export async function eraseAccounts(
  job: Payload<'erase-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, log, stop, breakerLimits } = deps
  const plan = await planOrNot(job.lease, deps)
  if (!plan || !(await foldersAreOurs('deletions', job.lease, deps))) return
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

/** A schema that has changed under us is noticed before anybody is claimed: without a plan nothing may be erased. */
async function planOrNot(
  lease: string,
  { db, log, dataMap }: HandlerDeps,
): Promise<Plan | undefined> {
  try {
    return await makePlan(db, dataMap)
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    log.error({ reasons: error.faults.map(formatMapProblem) }, 'erasure.refused')
    await release(db, 'deletions', lease, retryDelays.databaseUnavailable)
    return undefined
  }
}
