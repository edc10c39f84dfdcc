import {
  type Claim,
  type ClaimedDeletion,
  claimDeletions,
  erasePortions,
  finishErasure,
} from '@lethe/accounts'
import { isUnavailable } from '@lethe/db'
import { faultLine, makePlan, NoPlan, type Plan, removeFiles, TooManyRows } from '@lethe/erasure'
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
async function planOrNot(
  lease: string,
  { db, log, dataMap }: HandlerDeps,
): Promise<Plan | undefined> {
  try {
    return await makePlan(db, dataMap)
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
  const { lease } = claim
  const large: ClaimedDeletion[] = []
  const deletions = await removeAllFiles(claim, deps)
  const erased = await eraseTogether(plan, { lease, deletions }, deps, signal, large)
  // After all others: they may take minutes.
  for (const deletion of large) erased.push(...(await eraseLarge(lease, deletion, deps, signal)))
  return erased
}

/** Of one table, in one transaction. */
const MOST_ROWS = 10_000
/** Four fifths of the time the database has for others. */
const pace = { rows: 1_000, rest: 4 }

/**
 * All in one transaction, or each half in one of its own: so whoever cannot be erased is found, and does not hold up the
 * others, and whoever has too many rows for one transaction is left for later.
 */
async function eraseTogether(
  plan: Plan,
  { lease, deletions }: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
  large: ClaimedDeletion[],
): Promise<string[]> {
  signal.throwIfAborted()
  const [one, another] = deletions
  if (!one) return []
  try {
    return await finishErasure(deps.db, plan, { lease, deletions }, MOST_ROWS)
  } catch (error) {
    if (isUnavailable(error) || signal.aborted) throw error
    if (!another) {
      if (error instanceof TooManyRows) large.push(one)
      else await setAside(lease, one, error, deps)
      return []
    }
    const half = Math.ceil(deletions.length / 2)
    const halves = [deletions.slice(0, half), deletions.slice(half)]
    const erased: string[] = []
    for (const deletions of halves)
      erased.push(...(await eraseTogether(plan, { lease, deletions }, deps, signal, large)))
    return erased
  }
}

async function eraseLarge(
  lease: string,
  deletion: ClaimedDeletion,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const { db, dataMap } = deps
  try {
    await erasePortions(db, dataMap, lease, deletion, pace, signal)
    return await finishErasure(db, await makePlan(db, dataMap), { lease, deletions: [deletion] })
  } catch (error) {
    if (isUnavailable(error) || signal.aborted) throw error
    await setAside(lease, deletion, error, deps)
    return []
  }
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
        await removeFiles(deps.uploadDir, deps.dataMap, deletion.userId)
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
