import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { Keys } from '../keys.ts'
import { archiveKey } from '../tokens.ts'

export interface PendingExport {
  exportId: string
  userId: number
  /** Undefined for an export that the person requested without a deletion. */
  eraseAfter: Date | undefined
  key: Buffer
}

/** Returns what the worker needs to make each of these archives, except those that were withdrawn or given up. */
export async function findPendingExports(
  db: Db,
  keys: Keys,
  exportIds: string[],
): Promise<PendingExport[]> {
  const rows = await db
    .selectFrom('exports')
    .leftJoin('deletions', 'deletions.id', 'exports.deletion_id')
    .select(['exports.id as exportId', 'exports.user_id as userId', 'exports.token_nonce as nonce'])
    .select(['deletions.status as deletion', 'deletions.erase_after as eraseAfter'])
    .where('exports.id', 'in', exportIds)
    .where('exports.status', '=', 'pending')
    .execute()
  return rows.flatMap(({ exportId, userId, nonce, deletion, eraseAfter }) => {
    if (!userId || !nonce || (deletion ?? 'pending') !== 'pending') return []
    return [{ exportId, userId, eraseAfter: eraseAfter ?? undefined, key: archiveKey(keys, nonce) }]
  })
}

/** A complete, stored archive. */
export interface StoredExport {
  exportId: string
  fileName: string
  bytes: number
  sha256: Buffer
}

/**
 * Publishes these archives and stages the mails with their links. Returns false, at its index, for each export that
 * was withdrawn or given up meanwhile, or whose lease was lost: the caller removes that archive. `ttl` (ISO 8601)
 * counts from the date of the erasure, or from now if there is none.
 */
export async function publishArchives(
  db: Db,
  lease: string,
  stored: StoredExport[],
  ttl: string,
): Promise<boolean[]> {
  const { rows } = await sql<{ id: string }>`/* offer archives */
    with stored as (
      select s.*, d.status as deletion, d.erase_after
      from unnest(${stored.map(({ exportId }) => exportId)}::uuid[], ${stored.map(({ fileName }) => fileName)}::text[],
          ${stored.map(({ bytes }) => bytes)}::bigint[], ${stored.map(({ sha256 }) => sha256)}::bytea[])
        as s (id, file_name, bytes, sha256)
      join public.exports on exports.id = s.id left join public.deletions d on d.id = exports.deletion_id
    ), made as (
      update public.exports e
      set status = 'ready', created_at = now(), lease = null, next_attempt_at = now(),
        expires_at = coalesce(s.erase_after, now()) + ${ttl}::interval,
        file_name = s.file_name, bytes = s.bytes, sha256 = s.sha256
      from stored s
      where e.id = s.id and e.lease = ${lease} and e.status = 'pending'
        and (e.deletion_id is null or s.deletion = 'pending')
      returning e.id, e.deletion_id
    ), mailed as (
      insert into public.outbox (mail, deletion_id, export_id)
      select 'export-ready', deletion_id, case when deletion_id is null then id end from made
      -- If the file was lost and the archive is made again, the link mailed before still works: no second mail.
      where not exists (select from public.outbox o
        where o.deletion_id = made.deletion_id and o.mail = 'export-ready' and o.status in ('pending', 'sent'))
    ), noted as (
      insert into public.audit_events (deletion_id, event)
      select deletion_id, 'export.ready' from made where deletion_id is not null
    )
    select id from made`.execute(db)
  const offered = new Set(rows.map(({ id }) => id))
  return stored.map(({ exportId }) => offered.has(exportId))
}

/**
 * Gives up exports that the person requested without a deletion and that could not be made for three days. Returns
 * how many.
 */
export async function giveUpExports(db: Db): Promise<number> {
  const { numAffectedRows } = await sql`
    update public.exports set status = 'failed', token_nonce = null, lease = null
    where deletion_id is null and status = 'pending' and requested_at < now() - interval '3 days'`.execute(
    db,
  )
  return Number(numAffectedRows)
}
