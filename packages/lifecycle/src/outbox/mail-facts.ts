import type { Counts, Db, DeletionStatus, ExportStatus, MailName } from '@lethe/db'
import { sql } from 'kysely'

const LEAST_ATTEMPTS = 5

/** All facts that a mail can mention, as of this moment. */
export interface MailFacts {
  mail: MailName
  /** The deletion that the mail is about; null for an archive that was requested without one. */
  deletionId: string | null
  /** Null once there is no person to write to. */
  address: string | null
  /**
   * Attempts have lasted five days, and there were enough of them that an outage on our side did not cause them all.
   */
  triedEnough: boolean
  now: Date
  deletionStatus: DeletionStatus | null
  eraseAfter: Date | null
  requestedBy: 'owner' | 'administrator'
  deletionNonce: Buffer | null
  deletionHash: Buffer | null
  erasedCounts: Counts | null
  exportStatus: ExportStatus | null
  exportExpiresAt: Date | null
  exportBytes: number | null
  exportNonce: Buffer | null
  exportHash: Buffer | null
}

/** Returns the facts in the order of these outbox rows, all of which must exist. */
export async function readMails(db: Db, outboxIds: string[]): Promise<MailFacts[]> {
  const { rows } = await sql<MailFacts & { id: string }>`/* read mails */
    select o.id, o.mail, o.deletion_id as "deletionId", coalesce(o.address, p.address) as address,
      o.created_at < now() - interval '5 days' and o.attempts >= ${LEAST_ATTEMPTS} as "triedEnough", now() as now,
      d.status as "deletionStatus", d.erase_after as "eraseAfter", d.erased_counts as "erasedCounts",
      d.token_nonce as "deletionNonce", d.token_hash as "deletionHash",
      coalesce((select details ->> 'by' from public.audit_events
                where deletion_id = d.id and event = 'deletion.requested' limit 1), 'owner') as "requestedBy",
      e.status as "exportStatus", e.expires_at as "exportExpiresAt", e.bytes as "exportBytes",
      e.token_nonce as "exportNonce", e.token_hash as "exportHash"
    from public.outbox o
    left join public.deletions d on d.id = o.deletion_id
    left join public.exports e on e.id = coalesce(o.export_id, (select id from public.exports where exports.deletion_id = d.id))
    left join lethe.people p on p.id = coalesce(d.user_id, e.user_id)
    where o.id = any(${outboxIds}::uuid[])`.execute(db)
  const facts = new Map(rows.map(({ id, ...fact }) => [id, fact]))
  return outboxIds.map((id) => facts.get(id) as MailFacts)
}
