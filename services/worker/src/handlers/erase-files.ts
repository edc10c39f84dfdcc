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
 * Removes the files of these people before their rows go, since files are outside the transaction. Returns the deletions that
 * have none left. A file that a row names and nobody has removed stops the erasure of its owner: it may be in another folder.
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
      orSetAside(claim.lease, deletion, deps, async () => {
        await removeFiles(deps.uploadDir, deps.dataMap, deletion.userId)
        return [deletion]
      }),
    ),
  )
  return removed.flat()
}

/** The deletions of which every named file was found, in this try or in an earlier one. */
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
        // Whoever was set aside at an earlier page is not looked at again.
        if (!named || !finding) return
        const looked = await orSetAside(lease, deletion, deps, async () => {
          await findFiles(uploadDir, named, finding)
          return [finding]
        })
        if (looked.length === 0) findings.delete(userId)
      }),
    )
  })
  const looked = [...findings.values()]
  const complete = new Set(await recordFindings(db, lease, looked))
  for (const finding of looked)
    if (!complete.has(finding.id) && Object.keys(finding.missing).length > 0)
      await stop(lease, finding, deps)
  return deletions.filter(({ id, filesFound }) => filesFound || complete.has(id))
}

/** Shown by `pnpm lethe deletions show`, and tried again with growing gaps. */
async function stop(
  lease: string,
  { id, missing }: FoundFiles,
  { db, log }: HandlerDeps,
): Promise<void> {
  const remedy = `put them back into UPLOAD_DIR, or accept the loss: pnpm lethe deletions retry ${id} --accept-missing-files --reason "…"`
  log.error({ deletion: id, missing, remedy }, 'deletion.files-missing')
  await release(db, 'deletions', lease, retryDelays.erasure, [id])
}

async function orSetAside<T>(
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
