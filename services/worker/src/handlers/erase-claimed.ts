import { isUnavailable } from '@lethe/db'
import { makePlan, type Plan, TooManyRowsError } from '@lethe/erasure'
import {
  type Claim,
  type ClaimedDeletion,
  eraseInChunks,
  finishErasure,
  release,
} from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter } from '../retry-delays.ts'

/** Of one table, in one transaction. */
const MOST_ROWS = 10_000
/** Nine tenths of the time the database has for others. */
const pace = { rows: 1_000, rest: 9 }

/** Everybody whose lease is still ours, except whoever cannot be erased now: they are told of, and tried again later. */
export async function eraseClaimed(
  plan: Plan,
  claim: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const large: ClaimedDeletion[] = []
  const erased = await eraseInOneTransaction(plan, claim, deps, signal, large)
  // After all others: they may take minutes.
  for (const deletion of large)
    erased.push(...(await eraseLarge(claim.lease, deletion, deps, signal)))
  return erased
}

/**
 * All in one transaction, or each half in one of its own: so whoever cannot be erased is found, and does not hold up the
 * others, and whoever has too many rows for one transaction is left for later.
 */
async function eraseInOneTransaction(
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
      if (error instanceof TooManyRowsError) large.push(one)
      else await reschedule(lease, one, error, deps)
      return []
    }
    const half = Math.ceil(deletions.length / 2)
    const halves = [deletions.slice(0, half), deletions.slice(half)]
    const erased: string[] = []
    for (const deletions of halves)
      erased.push(...(await eraseInOneTransaction(plan, { lease, deletions }, deps, signal, large)))
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
    await eraseInChunks(db, dataMap, lease, deletion, pace, signal)
    return await finishErasure(db, await makePlan(db, dataMap), { lease, deletions: [deletion] })
  } catch (error) {
    if (isUnavailable(error) || signal.aborted) throw error
    await reschedule(lease, deletion, error, deps)
    return []
  }
}

/** Shown by `pnpm lethe deletions list erasing`, with growing gaps between its attempts. */
export async function reschedule(
  lease: string,
  { id }: ClaimedDeletion,
  err: unknown,
  { db, log, stop }: HandlerDeps,
): Promise<void> {
  log.error({ deletion: id, err }, 'deletion.failed')
  await release(db, 'deletions', lease, delaysAfter(err, stop, 'erasure'), [id])
}
