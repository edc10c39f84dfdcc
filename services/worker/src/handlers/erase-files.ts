import { findFiles, type Plan, readNamedFiles, removeFiles } from '@lethe/erasure'
import {
  type Claim,
  type ClaimedDeletion,
  type FoundFiles,
  recordFindings,
  release,
} from '@lethe/lifecycle'
import type { HandlerDeps } from '../deps.ts'
import { retryDelays } from '../retry-delays.ts'
import { reschedule } from './erase-claimed.ts'

/**
 * Removes the files of these people before their rows are erased, since files are outside the transaction. Returns the
 * deletions that have no files left. A file that a row names but that is missing stops the erasure of its owner: it may be
 * in another folder.
 */
export async function eraseFiles(
  plan: Plan,
  claim: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<ClaimedDeletion[]> {
  const ready = await findAllFiles(plan, claim, deps, signal)
  const removed = await Promise.all(
    ready.map((deletion) =>
      orReschedule(claim.lease, deletion, deps, async () => {
        await removeFiles(deps.uploadDir, deps.dataMap, deletion.userId)
        return [deletion]
      }),
    ),
  )
  return removed.flat()
}

/** The deletions whose named files were all found, in this attempt or an earlier one. */
async function findAllFiles(
  plan: Plan,
  { lease, deletions }: Claim,
  deps: HandlerDeps,
  signal: AbortSignal,
): Promise<ClaimedDeletion[]> {
  const { db, uploadDir } = deps
  const open = deletions.filter(({ filesFound }) => !filesFound)
  if (open.length === 0) return deletions
  const findings = new Map(
    open.map(({ id, userId }): [number, FoundFiles] => [userId, { id, found: {}, missing: {} }]),
  )
  await readNamedFiles(db, plan, [...findings.keys()], async (files) => {
    signal.throwIfAborted()
    const ofPerson = Map.groupBy(files, ({ person }) => person)
    await Promise.all(
      open.map(async (deletion) => {
        const { userId } = deletion
        const [named, finding] = [ofPerson.get(userId), findings.get(userId)]
        // Skip deletions that an earlier page has rescheduled.
        if (!named || !finding) return
        const checked = await orReschedule(lease, deletion, deps, async () => {
          await findFiles(uploadDir, named, finding)
          return [finding]
        })
        if (checked.length === 0) findings.delete(userId)
      }),
    )
  })
  const settled = [...findings.values()]
  const complete = new Set(await recordFindings(db, lease, settled))
  for (const finding of settled)
    if (!complete.has(finding.id) && Object.keys(finding.missing).length > 0)
      await releaseForMissingFiles(lease, finding, deps)
  return deletions.filter(({ id, filesFound }) => filesFound || complete.has(id))
}

/** Logs the missing files and releases the deletion with growing delays. `pnpm lethe deletions show` lists them. */
async function releaseForMissingFiles(
  lease: string,
  { id, missing }: FoundFiles,
  { db, log }: HandlerDeps,
): Promise<void> {
  const remedy = `put them back into UPLOAD_DIR, or accept the loss: pnpm lethe deletions retry ${id} --accept-missing-files --reason "…"`
  log.error({ deletion: id, missing, remedy }, 'deletion.files-missing')
  await release(db, 'deletions', lease, retryDelays.erasure, [id])
}

async function orReschedule<T>(
  lease: string,
  deletion: ClaimedDeletion,
  deps: HandlerDeps,
  act: () => Promise<T[]>,
): Promise<T[]> {
  try {
    return await act()
  } catch (error) {
    await reschedule(lease, deletion, error, deps)
    return []
  }
}
