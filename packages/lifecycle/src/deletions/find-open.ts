import type { Tx } from '@lethe/db'
import type { Deletion } from './schedule.ts'

/** Returns the deletion of this person that is neither cancelled nor erased. */
export async function findOpenDeletion(tx: Tx, userId: number): Promise<Deletion | undefined> {
  return tx
    .selectFrom('deletions')
    .select(['id', 'status', 'requested_at as requestedAt', 'erase_after as eraseAfter'])
    .where('user_id', '=', userId)
    .where('status', 'in', ['pending', 'erasing'])
    .executeTakeFirst()
}
