import type { Db } from '@lethe/db'
import { findDeadAttempts, forgetAttempt } from './attempts.ts'
import { archiveName } from './names.ts'
import type { Storage } from './storage/storage.ts'

const BATCH_SIZE = 100
const MIN_AGE_MS = 24 * 60 * 60 * 1_000

/**
 * Removes what tries that died have left, whole or begun. It goes by the record of tries and never by what is in the folder:
 * another database may write there too. What is younger than a day stays. `onRemoved` is called for each archive.
 */
export async function removeDead(
  db: Db,
  storage: Storage,
  onRemoved: (exportId: string) => void = () => {},
): Promise<number> {
  for (let removed = 0; ; ) {
    const { dead, looked } = await findDeadAttempts(db, BATCH_SIZE)
    for (const attempt of dead) {
      const name = archiveName(attempt.exportId, attempt.lease)
      const modifiedAt = await storage.modifiedAt(name)
      if (modifiedAt) {
        if (attempt.now.getTime() - modifiedAt.getTime() < MIN_AGE_MS) continue
        await storage.remove([name])
        onRemoved(attempt.exportId)
        removed++
      }
      await forgetAttempt(db, attempt)
    }
    if (looked < BATCH_SIZE) return removed
  }
}
