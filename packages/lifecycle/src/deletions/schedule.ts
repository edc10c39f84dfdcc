import { randomBytes } from 'node:crypto'
import type { DeletionStatus, Tx } from '@lethe/db'
import { sql } from 'kysely'
import type { Keys } from '../keys.ts'
import { deletionToken, exportToken, tokenHash } from '../tokens.ts'

export interface Deletion {
  id: string
  status: DeletionStatus
  requestedAt: Date
  eraseAfter: Date
}

export interface Schedule {
  /** An ISO 8601 duration. */
  grace: string
  by: 'owner' | 'administrator'
  /** Whether the account is less than a week old (`isNewAccount`); false if its age is unknown. */
  newAccount: boolean
}

/**
 * Starts a deletion that the caller has authorized. One statement, so that no part can be left out: it deactivates
 * the account, ends all sessions, writes the deletion and the promised export, and stages the mail with the cancel
 * link. Returns undefined if the account was not active.
 *
 * The statement accesses the person only through the schema `lethe`.
 */
export async function scheduleDeletion(
  tx: Tx,
  keys: Keys,
  personId: number,
  { grace, by, newAccount }: Schedule,
): Promise<Deletion | undefined> {
  const deletionNonce = randomBytes(32)
  const exportNonce = randomBytes(32)
  const { rows } = await sql<Deletion>`
    with deactivated as materialized (
      select p.id from (select ${personId}::bigint as id) as p where lethe.deactivate(p.id)
    ), ended as materialized (
      select id, lethe.end_sessions(id) from deactivated
    ), requested as (
      insert into public.deletions (user_id, erase_after, next_attempt_at, next_reminder_at, token_nonce, token_hash, new_account)
      select id, now() + grace, now() + grace,
        case when grace > interval '7 days' then now() + grace - interval '7 days'
             when grace > interval '1 day' then now() + grace - interval '1 day' end,
        ${deletionNonce}, ${tokenHash(deletionToken(keys, deletionNonce))}, ${newAccount}::boolean
      from ended, (select ${grace}::interval as grace) as rule
      returning *
    ), promised as (
      insert into public.exports (deletion_id, user_id, token_nonce, token_hash)
      select id, user_id, ${exportNonce}, ${tokenHash(exportToken(keys, exportNonce))} from requested
    ), mailed as (
      insert into public.outbox (mail, deletion_id) select 'deletion-scheduled', id from requested
    ), noted as (
      insert into public.audit_events (deletion_id, event, details)
      select id, 'deletion.requested', jsonb_build_object('by', ${by}::text) from requested
    )
    select id, status, requested_at as "requestedAt", erase_after as "eraseAfter" from requested`.execute(
    tx,
  )
  return rows[0]
}
