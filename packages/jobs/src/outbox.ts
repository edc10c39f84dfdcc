import type { MailName, Tx } from '@lethe/db'

/**
 * Stages a mail: it leaves once the caller's transaction commits, and not at all when it rolls back.
 * The address is looked up when the mail is sent; it is named here only where the user is gone by then,
 * and forgotten once the mail has left.
 */
export async function stageMail(
  tx: Tx,
  mail: MailName,
  deletionId: string,
  address?: string,
): Promise<void> {
  await tx
    .insertInto('outbox')
    .values({ mail, deletion_id: deletionId, address: address ?? null })
    .execute()
}
