import { findWantedExports, finishExports, type StoredExport } from '@lethe/accounts'
import { makePlan } from '@lethe/erasure'
import { makeArchives, type Outcome } from '@lethe/exports'
import { giveBack, LeaseLost, type Payload, type Taken, take, whileLeased } from '@lethe/jobs'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter, retryDelays } from '../retry-delays.ts'

export async function exportAccounts(
  job: Payload<'export-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, stop } = deps
  const taken = await take(db, 'exports', job.lease)
  if (!taken) return
  const work = (signal: AbortSignal) => makeAndOffer(taken, deps, signal)
  try {
    await whileLeased(db, 'exports', taken.lease, work, stop)
  } catch (error) {
    if (!(error instanceof LeaseLost)) await postpone(taken, deps, error)
  }
}

async function makeAndOffer(taken: Taken, deps: HandlerDeps, signal: AbortSignal): Promise<void> {
  const { db, log, storage, exportTtl } = deps
  const { lease, rows } = taken
  const outcomes = await makeWanted(taken, deps, signal)
  const stored = outcomes.flatMap((one): StoredExport[] =>
    'made' in one ? [{ exportId: one.exportId, ...one.made }] : [],
  )
  const offered = signal.aborted ? [] : await finishExports(db, lease, stored, exportTtl)
  // Cancelled, given up or lost meanwhile: nobody may find it.
  const unwanted = stored.filter(({ exportId }) => !offered.includes(exportId))
  await storage.remove(unwanted.map(({ fileName }) => fileName))
  signal.throwIfAborted()
  for (const row of rows) {
    const outcome = outcomes.find(({ exportId }) => exportId === row.id)
    if (outcome && 'error' in outcome) await postpone({ lease, rows: [row] }, deps, outcome.error)
    else if (outcome && 'hasMuch' in outcome)
      await giveBack(db, 'exports', lease, retryDelays.alone, [row.id])
    else log.info({ export: row.id }, offered.includes(row.id) ? 'export.made' : 'export.dropped')
  }
}

/** Without those that nobody waits for any more. */
async function makeWanted(
  { lease, rows }: Taken,
  { db, keys, readers, storage, dataMap, uploadDir }: HandlerDeps,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const ids = rows.map(({ id }) => id)
  const wanted = await findWantedExports(db, keys, ids)
  if (wanted.length === 0) return []
  const plan = await makePlan(db, dataMap)
  return makeArchives(readers, storage, { lease, plan, uploadDir, signal }, wanted)
}

async function postpone(
  { lease, rows }: Taken,
  { db, log, stop }: HandlerDeps,
  err: unknown,
): Promise<void> {
  if (!stop.aborted)
    for (const { id, attempts } of rows)
      log.error({ export: id, attempts, err }, 'export.postponed')
  const ids = rows.map(({ id }) => id)
  await giveBack(db, 'exports', lease, delaysAfter(err, stop, 'export'), ids)
}
