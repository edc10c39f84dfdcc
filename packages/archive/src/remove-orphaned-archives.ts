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

interface Told {
  removed(exportId: string): void
  failed(exportId: string, error: unknown): void
}

/**
 * Removes what tries that died have left, whole or begun. It goes by the record of tries and never by what is in the folder:
 * another database may write there too. What is younger than a day stays. `tell` hears of each archive that was removed, and of
 * each that the storage failed at: that one is tried again in a minute, and holds up no other.
 * Where nobody is told, a failure is thrown.
 */
export async function removeOrphanedArchives(
  db: Db,
  storage: Storage,
  tell: Told = {
    removed() {},
    failed: (_, error) => {
      throw error
    },
  },
): Promise<number> {
  for (let removed = 0; ; ) {
    const { dead, looked } = await findOrphanedAttempts(db, BATCH_SIZE)
    for (const attempt of dead) {
      const left = await remove(storage, attempt).catch((error: unknown) => {
        tell.failed(attempt.exportId, error)
      })
      if (left === 'removed') {
        removed++
        tell.removed(attempt.exportId)
      }
      if (left === 'young') await postponeAttempt(db, attempt)
      else if (left) await deleteAttempt(db, attempt)
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
