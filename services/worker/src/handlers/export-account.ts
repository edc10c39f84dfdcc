import { findWantedExport, finishExport } from '@lethe/accounts'
import { makePlan } from '@lethe/erasure'
import { makeArchive } from '@lethe/exports'
import { giveBack, LeaseLost, type Payload, take, whileLeased } from '@lethe/jobs'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter } from '../retry-delays.ts'

export async function exportAccount(
  job: Payload<'export-account'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, log, stop } = deps
  const taken = await take(db, 'exports', job.lease)
  const [row] = taken?.rows ?? []
  if (!taken || !row) return
  const { lease } = taken
  try {
    const made = await whileLeased(
      db,
      'exports',
      lease,
      (signal) => makeAndOffer(row.id, lease, deps, signal),
      stop,
    )
    log.info({ export: row.id }, made ? 'export.made' : 'export.dropped')
  } catch (err) {
    if (err instanceof LeaseLost) return
    if (!stop.aborted)
      log.error({ export: row.id, attempts: row.attempts, err }, 'export.postponed')
    await giveBack(db, 'exports', lease, delaysAfter(err, stop, 'export'))
  }
}

/** False where nobody waits for it any more. */
async function makeAndOffer(
  exportId: string,
  lease: string,
  { db, keys, readers, storage, dataMap, exportTtl, uploadDir }: HandlerDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = await findWantedExport(db, keys, exportId)
  if (!wanted) return false
  const plan = await makePlan(db, dataMap)
  const made = await makeArchive(readers, storage, {
    ...{ exportId, lease, plan, uploadDir, signal },
    ...wanted,
  })
  if (await finishExport(db, { exportId, lease, ...made }, exportTtl)) return true
  // Cancelled, given up or lost meanwhile: nobody may find it.
  await storage.remove([made.fileName])
  return false
}
