import type { Db } from '@lethe/db'

/** A deletion with its exports, mails and audit events, for an operator; undefined where there is none with this id. */
export async function showDeletion(db: Db, deletionId: string) {
  const deletion = await db
    .selectFrom('deletions')
    .select(['id', 'user_id', 'status', 'requested_at', 'erase_after', 'cancelled_at'])
    .select(['claimed_at', 'erased_at', 'erased_counts', 'attempts', 'next_attempt_at'])
    .select(['released_at', 'files_found', 'files_missing', 'files_accepted'])
    .where('id', '=', deletionId)
    .executeTakeFirst()
  if (!deletion) return undefined
  const exports = await db
    .selectFrom('exports')
    .select(['status', 'created_at', 'expires_at', 'bytes', 'attempts', 'missing_since'])
    .where('deletion_id', '=', deletionId)
    .execute()
  const mails = await db
    .selectFrom('outbox')
    .select(['mail', 'status', 'created_at', 'finished_at', 'attempts', 'next_attempt_at'])
    .where('deletion_id', '=', deletionId)
    .orderBy('created_at')
    .execute()
  const events = await db
    .selectFrom('audit_events')
    .select(['position', 'event', 'at', 'details'])
    .where('deletion_id', '=', deletionId)
    .orderBy('id')
    .execute()
  return { deletion, exports, mails, events }
}
