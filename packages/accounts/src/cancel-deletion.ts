import type { Db } from '@lethe/db'
import {
  type Cancelled,
  cancelDeletion,
  findLatestDeletion,
  LifecycleError,
} from '@lethe/lifecycle'
import type { Hasher } from './hashing.ts'
import { findByCredentials } from './sessions.ts'

/**
 * For a person who lost the mail. Throws `wrong-credentials`, or `deletion-not-pending` with `deletionStatus`, which
 * is `none` if there is no deletion.
 */
export async function cancelDeletionByPassword(
  db: Db,
  hasher: Hasher,
  credentials: { email: string; password: string },
): Promise<Cancelled> {
  const user = await findByCredentials(db, hasher, credentials)
  const deletion = await findLatestDeletion(db, user.id)
  if (!deletion) throw new LifecycleError('deletion-not-pending', { deletionStatus: 'none' })
  return cancelDeletion(db, deletion.id)
}
