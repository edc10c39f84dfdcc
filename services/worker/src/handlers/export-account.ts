import { finishExport } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { makeArchive, removeArchive } from '@lethe/exports'
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
  { db, exportDir, exportTtl, uploadDir }: HandlerDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = await readWanted(db, exportId)
  if (!wanted) return false
  const { userId, eraseAfter } = wanted
  const made = await makeArchive(db, {
    ...{ exportId, lease, userId, eraseAfter, exportDir, uploadDir, signal },
  })
  if (await finishExport(db, { exportId, lease, ...made }, exportTtl)) return true
  // Cancelled, given up or lost meanwhile: nobody may find it.
  await removeArchive(exportDir, made.fileName)
  return false
}

async function readWanted(db: Db, exportId: string) {
  const row = await db
    .selectFrom('exports')
    .innerJoin('deletions', 'deletions.id', 'exports.deletion_id')
    .select(['deletions.user_id as userId', 'deletions.erase_after as eraseAfter'])
    .where('exports.id', '=', exportId)
    .where('exports.status', '=', 'pending')
    .where('deletions.status', '=', 'pending')
    .executeTakeFirst()
  return row?.userId ? { userId: row.userId, eraseAfter: row.eraseAfter } : undefined
}
