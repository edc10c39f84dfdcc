import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import type { Keys } from './keys.ts'
import { archiveKey } from './tokens.ts'

export interface WantedExport {
  exportId: string
  userId: number
  /** Undefined where it was asked for on its own. */
  eraseAfter: Date | undefined
  key: Buffer
}

/** What each of these is made of, but for those that nobody waits for any more. */
export async function findWantedExports(
  db: Db,
  keys: Keys,
  exportIds: string[],
): Promise<WantedExport[]> {
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

/** An archive that is whole, and stored. */
export interface StoredExport {
  exportId: string
  fileName: string
  bytes: number
  sha256: Buffer
}

/**
 * Offers these archives, and stages the mails with their links; false, in its place, for each whose export was withdrawn or given
 * up meanwhile, or its lease lost: that archive is to be removed. `ttl` (ISO 8601) counts from the date of the erasure, or from now
 * where there is none.
 */
export async function finishExports(
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
      -- An archive that is made again, since its file was lost, opens by the link that was mailed before.
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
 * Up to `limit` archives of ready exports that have not been looked for since a day. One that is not told of as looked for is
 * among them again after a minute: a storage that fails, or a worker that dies, delays the look by no more.
 */
export async function archivesToCheck(
  db: Db,
  limit: number,
): Promise<{ exportId: string; fileName: string }[]> {
  const { rows } = await sql<{ exportId: string; fileName: string }>`/* check archives */
    with due as materialized (
      select id from public.exports
      where status = 'ready' and (checked_at is null or checked_at <= now() - interval '1 day')
      order by checked_at nulls first limit ${limit} for update skip locked
    )
    update public.exports e set checked_at = now() - interval '1 day' + interval '1 minute' from due where e.id = due.id
    returning e.id as "exportId", e.file_name as "fileName"`.execute(db)
  return rows
}

/** These were looked for; they are again in a day. */
export async function archivesChecked(db: Db, exportIds: string[]): Promise<void> {
  await sql`
    update public.exports set checked_at = now()
    where id = any(${exportIds}::uuid[]) and status = 'ready'`.execute(db)
}

/**
 * The archive of a ready export is not in its place. While the deletion that promised it is pending it is made again, and
 * opens by the same link: then true. Otherwise nobody can make it again, and the row says since when it is missing.
 */
export async function archiveMissing(db: Db, exportId: string, fileName: string): Promise<boolean> {
  // Locked, so that no claim and no cancel comes between the look at the deletion and the new status.
  const { numAffectedRows } = await sql`
    with promised as materialized (
      select d.id from public.deletions d join public.exports x on x.deletion_id = d.id
      where x.id = ${exportId} and d.status = 'pending' for share of d
    )
    update public.exports e
    set status = 'pending', file_name = null, created_at = null, expires_at = null, bytes = null, sha256 = null,
      lease = null, attempts = 0, next_attempt_at = now(), checked_at = null, missing_since = null
    from promised
    where e.id = ${exportId} and e.deletion_id = promised.id and e.status = 'ready'
      and e.file_name = ${fileName}`.execute(db)
  if (numAffectedRows === 1n) return true
  await sql`
    update public.exports set missing_since = coalesce(missing_since, now())
    where id = ${exportId} and status = 'ready' and file_name = ${fileName}`.execute(db)
  return false
}

/** Ends exports that were asked for on their own and could not be made for three days; returns how many. */
export async function giveUpExports(db: Db): Promise<number> {
  const { numAffectedRows } = await sql`
    update public.exports set status = 'failed', token_nonce = null, lease = null
    where deletion_id is null and status = 'pending' and requested_at < now() - interval '3 days'`.execute(
    db,
  )
  return Number(numAffectedRows)
}

const outOfTime = sql`public.exports e where e.status = 'ready' and e.expires_at <= now()`

export const hasExportsToExpire: RawBuilder<boolean> = sql`exists (select from ${outOfTime})`

/** Closes up to `limit` archives whose time is over; returns how many. */
export async function expireExports(db: Db, limit = 1_000): Promise<number> {
  const { numAffectedRows } = await sql`
    update public.exports set status = 'expired', token_nonce = null
    where id in (select e.id from ${outOfTime} limit ${limit} for update skip locked)`.execute(db)
  return Number(numAffectedRows)
}

const removable = sql`
  public.exports e
  where e.file_name is not null and e.status in ('failed', 'withdrawn', 'expired') and e.next_attempt_at <= now()`

export const hasArchivesToRemove: RawBuilder<boolean> = sql`exists (select from ${removable})`

/**
 * Up to `limit` archives that nobody may open any more and that still lie there. One that is not told of as removed is
 * among them again after a minute, behind the others: it holds nobody up.
 */
export async function archivesToRemove(
  db: Db,
  limit: number,
): Promise<{ exportId: string; fileName: string }[]> {
  const { rows } = await sql<{ exportId: string; fileName: string }>`
    with closed as materialized (
      select e.id from ${removable}
      order by e.next_attempt_at limit ${limit} for update skip locked
    )
    update public.exports e set next_attempt_at = now() + interval '1 minute' from closed where e.id = closed.id
    returning e.id as "exportId", e.file_name as "fileName"`.execute(db)
  return rows
}

export async function archiveRemoved(db: Db, exportId: string): Promise<void> {
  await db
    .updateTable('exports')
    .set({ file_name: null })
    .where('id', '=', exportId)
    .where('status', 'in', ['failed', 'withdrawn', 'expired'])
    .execute()
}
