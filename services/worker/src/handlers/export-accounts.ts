import { findWantedExports, finishExports, type StoredExport } from '@lethe/accounts'
import { batched } from '@lethe/db'
import { makePlan } from '@lethe/erasure'
import { type MadeArchive, type PreparedArchive, prepareArchives } from '@lethe/exports'
import { giveBack, LeaseLost, type Payload, type Taken, take, whileLeased } from '@lethe/jobs'
import type { HandlerDeps } from '../deps.ts'
import { delaysAfter, retryDelays } from '../retry-delays.ts'

/** Of one job: while one archive waits for the disk, another one is written. */
const archivesAtOnce = 2

/** Each archive is offered, or fails, for itself, as soon as it is made: one that takes long keeps few others waiting. */
export async function exportAccounts(
  job: Payload<'export-accounts'>,
  deps: HandlerDeps,
): Promise<void> {
  const { db, stop } = deps
  const taken = await take(db, 'exports', job.lease)
  if (!taken) return
  const { lease } = taken
  const left = new Map(taken.rows.map((row) => [row.id, row]))
  const work = (signal: AbortSignal) => exportAll({ lease, left, signal, ...deps })
  try {
    await whileLeased(db, 'exports', lease, work, stop)
  } catch (error) {
    if (error instanceof LeaseLost) return
    for (const row of left.values()) await postpone(lease, row, error, deps)
  }
}

type Row = Taken['rows'][number]

interface Work extends HandlerDeps {
  lease: string
  /** What is not done yet, by its id. */
  left: Map<string, Row>
  signal: AbortSignal
}

async function exportAll(work: Work): Promise<void> {
  const { db, lease, left, signal, exportTtl } = work
  const waiting = (await prepareWanted(work)).values()
  const offer = batched((stored: StoredExport[]) => finishExports(db, lease, stored, exportTtl))
  const exportSome = async () => {
    for (const { exportId, make } of waiting) {
      signal.throwIfAborted()
      if (make) await exportOne(work, exportId, make, offer)
      else await giveBack(db, 'exports', lease, retryDelays.alone, [exportId])
      left.delete(exportId)
    }
  }
  await Promise.all(Array.from({ length: archivesAtOnce }, exportSome))
}

/** Without those that nobody waits for any more. */
async function prepareWanted(work: Work): Promise<PreparedArchive[]> {
  const { db, keys, log, readers, storage, dataMap, lease, left, uploadDir, signal } = work
  const wanted = await findWantedExports(db, keys, [...left.keys()])
  const ids = new Set(wanted.map(({ exportId }) => exportId))
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
  work: Work,
  exportId: string,
  make: () => Promise<MadeArchive>,
  offer: (stored: StoredExport) => Promise<boolean>,
): Promise<void> {
  const { lease, left, signal, storage, log } = work
  try {
    const made = await make()
    const offered = await offer({ exportId, ...made })
    // Cancelled, given up or lost meanwhile: nobody may find it.
    if (!offered) await storage.remove([made.fileName])
    log.info({ export: exportId }, offered ? 'export.made' : 'export.dropped')
  } catch (error) {
    signal.throwIfAborted()
    const row = left.get(exportId)
    if (row) await postpone(lease, row, error, work)
  }
}

async function postpone(
  lease: string,
  { id, attempts }: Row,
  err: unknown,
  { db, log, stop }: HandlerDeps,
): Promise<void> {
  if (!stop.aborted) log.error({ export: id, attempts, err }, 'export.postponed')
  await giveBack(db, 'exports', lease, delaysAfter(err, stop, 'export'), [id])
}
