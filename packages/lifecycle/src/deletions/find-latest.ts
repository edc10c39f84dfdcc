import type { Db, DeletionStatus } from '@lethe/db'

/** Returns the newest deletion of this person, in any status. */
export async function findLatestDeletion(
  db: Db,
  userId: number,
): Promise<{ id: string; status: DeletionStatus; eraseAfter: Date } | undefined> {
  return db
    .selectFrom('deletions')
    .select(['id', 'status', 'erase_after as eraseAfter'])
    .where('user_id', '=', userId)
    .orderBy('requested_at', 'desc')
    .limit(1)
    .executeTakeFirst()
}
