import type { Db } from '@lethe/db'
import {
  deleteAttempt,
  findOrphanedAttempts,
  type OrphanedAttempt,
  postponeAttempt,
} from '@lethe/lifecycle'
import { archiveName } from './names.ts'
import type { Storage } from './storage/storage.ts'

const BATCH_SIZE = 100
const MIN_AGE_MS = 24 * 60 * 60 * 1_000

interface RemovalListener {
  removed(exportId: string): void
  failed(exportId: string, error: unknown): void
}

/**
 * Removes archives, complete or partial, that dead attempts left behind. It uses the recorded attempts, never the folder's
 * listing, because another database may write there too. Archives younger than a day stay. `listener` gets each removal and
 * each failure of the storage; a failed one is tried again in a minute and does not block the others.
 * The default listener throws on a failure.
 */
export async function removeOrphanedArchives(
  db: Db,
  storage: Storage,
  listener: RemovalListener = {
    removed() {},
    failed: (_, error) => {
      throw error
    },
  },
): Promise<number> {
  for (let removed = 0; ; ) {
    const { dead, looked } = await findOrphanedAttempts(db, BATCH_SIZE)
    for (const attempt of dead) {
      const outcome = await remove(storage, attempt).catch((error: unknown) => {
        listener.failed(attempt.exportId, error)
      })
      if (outcome === 'removed') {
        removed++
        listener.removed(attempt.exportId)
      }
      if (outcome === 'young') await postponeAttempt(db, attempt)
      else if (outcome) await deleteAttempt(db, attempt)
    }
    if (looked < BATCH_SIZE) return removed
  }
}

async function remove(
  storage: Storage,
  { exportId, lease, now }: OrphanedAttempt,
): Promise<'nothing' | 'young' | 'removed'> {
  const name = archiveName(exportId, lease)
  const modifiedAt = await storage.modifiedAt(name)
  if (!modifiedAt) return 'nothing'
  if (now.getTime() - modifiedAt.getTime() < MIN_AGE_MS) return 'young'
  await storage.remove([name])
  return 'removed'
}
