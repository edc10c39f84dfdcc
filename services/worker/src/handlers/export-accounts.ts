import { type PreparedArchive, prepareArchives } from '@lethe/archive'
import { makePlan } from '@lethe/erasure'
import {
  acquire,
  findPendingExports,
  LeaseLostError,
  recordAttempts,
  release,
  withLease,
} from '@lethe/lifecycle'
import type { Payload } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { retryDelays } from '../retry-delays.ts'
import { type ExportJob, reschedule } from './export-job.ts'
import { foldersAreOurs } from './own-folders.ts'
import { openPublishQueue, type PublishQueue } from './publish-archives.ts'

/** Of one job: while some wait for the disk, others are written. */
const archivesAtOnce = 4

/** Each archive is offered, or fails, for itself: one that takes long keeps few others waiting. */
export async function exportAccounts(
  { lease: lent }: Payload<'export-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, stop } = deps
  if (!(await foldersAreOurs('exports', lent, deps))) return
  const taken = await acquire(db, 'exports', lent)
  if (!taken) return
  const { lease, rows } = taken
  const job = { ...deps, lease, left: new Map(rows.map((row) => [row.id, row])) }
  try {
    await withLease(db, 'exports', lease, (signal) => exportAll(job, signal), stop)
  } catch (error) {
    if (!(error instanceof LeaseLostError)) await reschedule(job, [...job.left.keys()], error)
  }
}

async function exportAll(job: ExportJob, signal: AbortSignal): Promise<void> {
  const waiting = (await prepareWanted(job, signal)).values()
  const offers = openPublishQueue(job)
  const exportSome = async () => {
    for (const archive of waiting) {
      signal.throwIfAborted()
      await exportOne(job, archive, offers, signal)
    }
  }
  try {
    await Promise.all(Array.from({ length: archivesAtOnce }, exportSome))
  } finally {
    await offers.end()
  }
}

/** Without those that nobody waits for any more. */
async function prepareWanted(job: ExportJob, signal: AbortSignal): Promise<PreparedArchive[]> {
  const { db, keys, log, readers, storage, dataMap, lease, left, uploadDir } = job
  const found = await findPendingExports(db, keys, [...left.keys()])
  const exportIds = found.map(({ exportId }) => exportId)
  const ids = new Set(await recordAttempts(db, lease, exportIds))
  const wanted = found.filter(({ exportId }) => ids.has(exportId))
  for (const id of left.keys()) {
    if (ids.has(id)) continue
    log.info({ export: id }, 'export.dropped')
    left.delete(id)
  }
  if (wanted.length === 0) return []
  const plan = await makePlan(db, dataMap)
  return prepareArchives(readers, storage, { lease, plan, uploadDir, signal }, wanted)
}

async function exportOne(
  job: ExportJob,
  { exportId, make }: PreparedArchive,
  offers: PublishQueue,
  signal: AbortSignal,
): Promise<void> {
  if (!make) {
    await release(job.db, 'exports', job.lease, retryDelays.individually, [exportId])
    job.left.delete(exportId)
    return
  }
  try {
    offers.add({ exportId, ...(await make()) })
  } catch (error) {
    signal.throwIfAborted()
    await reschedule(job, [exportId], error)
  }
}
