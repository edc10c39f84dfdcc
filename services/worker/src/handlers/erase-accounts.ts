import {
  type Claim,
  type ClaimedDeletion,
  claimDeletions,
  finishErasure,
  planErasure,
} from '@lethe/accounts'
import { isUnavailable } from '@lethe/db'
import { faultLine, NoPlan, type Plan, removeFiles } from '@lethe/erasure'
import { giveBack, LeaseLost, type Payload, whileLeased } from '@lethe/jobs'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter, retryDelays } from '../retry-delays.ts'

/** The claim has committed before anything is erased; whoever follows a worker that died goes on from there. */
export async function eraseAccounts(
  job: Payload<'erase-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, log, stop, blastRadius } = deps
  const plan = await planOrNot(job.lease, deps)
  if (!plan) return
  const claim = await claimDeletions(db, job.lease, blastRadius)
  if (claim.deletions.length === 0) return
  log.info({ deletions: claim.deletions.length }, 'deletions.claimed')
  try {
    const erased = await whileLeased(
      db,
      'deletions',
      claim.lease,
      (signal) => erase(plan, claim, deps, signal),
      stop,
    )
    log.info({ deletions: erased.length }, 'deletions.erased')
  } catch (err) {
    if (err instanceof LeaseLost) return
    if (!stop.aborted) log.error({ err }, 'deletions.postponed')
    await giveBack(db, 'deletions', claim.lease, delaysAfter(err, stop, 'erasure'))
  }
}

/** A schema that has changed under us is noticed before anybody is claimed: without a plan nothing may be erased. */
async function planOrNot(lease: string, { db, log }: HandlerDeps): Promise<Plan | undefined> {
  try {
    return await planErasure(db)
  } catch (error) {
    if (!(error instanceof NoPlan)) throw error
    log.error({ reasons: error.faults.map(faultLine) }, 'erasure.refused')
    await giveBack(db, 'deletions', lease, retryDelays.away)
    return undefined
  }
}

async function erase(
  plan: Plan,
  claim: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const ready = { lease: claim.lease, deletions: await removeAllFiles(claim, deps) }
  signal.throwIfAborted()
  try {
    return await finishErasure(deps.db, plan, ready)
  } catch (error) {
    if (isUnavailable(error) || signal.aborted) throw error
    return oneByOne(plan, ready, deps, signal)
  }
}

/** Somebody among them cannot be erased: they are found, and do not hold up the others. */
async function oneByOne(
  plan: Plan,
  { lease, deletions }: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const erased: string[] = []
  for (const deletion of deletions) {
    signal.throwIfAborted()
    try {
      erased.push(...(await finishErasure(deps.db, plan, { lease, deletions: [deletion] })))
    } catch (error) {
      if (isUnavailable(error)) throw error
      await setAside(lease, deletion, error, deps)
    }
  }
  return erased
}

/**
 * Files first: they lie outside the transaction, and what is gone already does no harm.
 * Returns the deletions of those who have none left.
 */
async function removeAllFiles(
  { lease, deletions }: Claim,
  deps: HandlerDeps,
): Promise<ClaimedDeletion[]> {
  const removed = await Promise.all(
    deletions.map(async (deletion) => {
      try {
        await removeFiles(deps.uploadDir, deletion.userId)
        return [deletion]
      } catch (error) {
        await setAside(lease, deletion, error, deps)
        return []
      }
    }),
  )
  return removed.flat()
}

async function setAside(
  lease: string,
  { id }: ClaimedDeletion,
  err: unknown,
  { db, log }: HandlerDeps,
): Promise<void> {
  log.error({ deletion: id, err }, 'deletion.failed')
  await giveBack(db, 'deletions', lease, retryDelays.erasure, [id])
}
