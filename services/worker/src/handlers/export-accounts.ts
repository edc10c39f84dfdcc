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
import { ownsFolders } from './owns-folders.ts'
import { openPublishQueue, type PublishQueue } from './publish-archives.ts'

/** Archives that one job writes at the same time, so that some are written while others wait for the disk. */
const MAX_CONCURRENT_ARCHIVES = 4

/** Each archive is published, or fails, on its own, so a slow one delays few others. */
export async function exportAccounts(
  { lease: jobLease }: Payload<'export-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, stop } = deps
  if (!(await ownsFolders('exports', jobLease, deps))) return
  const acquired = await acquire(db, 'exports', jobLease)
  if (!acquired) return
  const { lease, rows } = acquired
  const job = { ...deps, lease, openRows: new Map(rows.map((row) => [row.id, row])) }
  try {
    await withLease(db, 'exports', lease, (signal) => exportAll(job, signal), stop)
  } catch (error) {
    if (!(error instanceof LeaseLostError)) await reschedule(job, [...job.openRows.keys()], error)
  }
}

async function exportAll(job: ExportJob, signal: AbortSignal): Promise<void> {
  const archives = (await preparePending(job, signal)).values()
  const publishQueue = openPublishQueue(job)
  const exportRemaining = async () => {
    for (const archive of archives) {
      signal.throwIfAborted()
      await exportOne(job, archive, publishQueue, signal)
    }
  }
  try {
    await Promise.all(Array.from({ length: MAX_CONCURRENT_ARCHIVES }, exportRemaining))
  } finally {
    await publishQueue.end()
  }
}

/** Prepares the archives that are still wanted and drops the others. */
async function preparePending(job: ExportJob, signal: AbortSignal): Promise<PreparedArchive[]> {
  const { db, keys, log, snapshotPool, storage, dataMap, lease, openRows, uploadDir } = job
  const found = await findPendingExports(db, keys, [...openRows.keys()])
  const exportIds = found.map(({ exportId }) => exportId)
  const ids = new Set(await recordAttempts(db, lease, exportIds))
  const pending = found.filter(({ exportId }) => ids.has(exportId))
  for (const id of openRows.keys()) {
    if (ids.has(id)) continue
    log.info({ export: id }, 'export.dropped')
    openRows.delete(id)
  }
  if (pending.length === 0) return []
  const plan = await makePlan(db, dataMap)
  return prepareArchives(snapshotPool, storage, { lease, plan, uploadDir, signal }, pending)
}

async function exportOne(
  job: ExportJob,
  { exportId, make }: PreparedArchive,
  publishQueue: PublishQueue,
  signal: AbortSignal,
): Promise<void> {
  if (!make) {
    await release(job.db, 'exports', job.lease, retryDelays.individually, [exportId])
    job.openRows.delete(exportId)
    return
  }
  try {
    publishQueue.add({ exportId, ...(await make()) })
  } catch (error) {
    signal.throwIfAborted()
    await reschedule(job, [exportId], error)
  }
}
