import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { LifecycleError } from '../errors.ts'
import { tokenHash } from '../tokens.ts'

export interface Cancelled {
  id: string
  status: 'cancelled'
  /** The export that belongs to the deletion: the caller removes its archive, if there is one. */
  exportId: string
  archive: string | null
}

/**
 * Throws `deletion-not-found` for an unknown token, and `deletion-not-pending` with `deletionStatus` if the deletion
 * is no longer pending.
 */
export async function cancelDeletionByToken(db: Db, token: string): Promise<Cancelled> {
  const deletion = await db
    .selectFrom('deletions')
    .select('id')
    .where('token_hash', '=', tokenHash(token))
    .executeTakeFirst()
  if (!deletion) throw new LifecycleError('deletion-not-found')
  return cancelDeletion(db, deletion.id)
}

/**
 * The counterpart of the claim: both require `status = 'pending'` on the same row, so exactly one of them wins. One
 * statement cancels and reactivates the person, who keeps all data; ended sessions stay ended.
 */
export async function cancelDeletion(db: Db, id: string): Promise<Cancelled> {
  const { rows } = await sql<Cancelled>`
    with cancelled as (
      update public.deletions
      set status = 'cancelled', cancelled_at = now(), token_nonce = null, next_reminder_at = null, lease = null
      where id = ${id} and status = 'pending'
      returning id, user_id
    ), restored as materialized (
      select id, lethe.restore(user_id) from cancelled
    ), withdrawn as (
      update public.exports
      set status = case when status in ('pending', 'ready') then 'withdrawn' else status end, token_nonce = null, lease = null
      from cancelled where exports.deletion_id = cancelled.id
      returning exports.id, exports.file_name
    ), mailed as (
      insert into public.outbox (mail, deletion_id) select 'deletion-cancelled', id from cancelled
    ), noted as (
      insert into public.audit_events (deletion_id, event) select id, 'deletion.cancelled' from cancelled
    )
    select cancelled.id, 'cancelled' as status, withdrawn.id as "exportId", withdrawn.file_name as archive
    from cancelled join restored using (id), withdrawn`.execute(db)
  if (rows[0]) return rows[0]
  const deletion = await db
    .selectFrom('deletions')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  throw new LifecycleError('deletion-not-pending', { deletionStatus: deletion.status })
}
