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

/** The limit of rows from one table. */
const MAX_ROWS_PER_TRANSACTION = 10_000
/** After each chunk the worker rests nine times as long as it took, so nine tenths of the time are left for other queries. */
const CHUNK_PACE = { rows: 1_000, rest: 9 }

/** Erases the deletions whose lease this worker still holds and returns their ids. Failed ones are logged and rescheduled. */
export async function eraseClaimed(
  plan: Plan,
  claim: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const large: ClaimedDeletion[] = []
  const erased = await eraseInOneTransaction(plan, claim, deps, signal, large)
  // Large accounts come last, since each may take minutes.
  for (const deletion of large)
    erased.push(...(await eraseLarge(claim.lease, deletion, deps, signal)))
  return erased
}

/**
 * Erases all in one transaction; if that fails, each half in its own, recursively. This isolates an account that cannot be
 * erased, so that it does not block the others. Accounts with too many rows for one transaction are added to `large`.
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
    return await finishErasure(deps.db, plan, { lease, deletions }, MAX_ROWS_PER_TRANSACTION)
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
    await eraseInChunks(db, dataMap, lease, deletion, CHUNK_PACE, signal)
    return await finishErasure(db, await makePlan(db, dataMap), { lease, deletions: [deletion] })
  } catch (error) {
    if (isUnavailable(error) || signal.aborted) throw error
    await reschedule(lease, deletion, error, deps)
    return []
  }
}

/** Logs the failure and schedules the next attempt. `pnpm lethe deletions list erasing` shows the deletion. */
export async function reschedule(
  lease: string,
  { id }: ClaimedDeletion,
  err: unknown,
  { db, log, stop }: HandlerDeps,
): Promise<void> {
  log.error({ deletion: id, err }, 'deletion.failed')
  await release(db, 'deletions', lease, delaysAfter(err, stop, 'erasure'), [id])
}
