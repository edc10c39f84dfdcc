import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/**
 * Returns up to `limit` archives of ready exports that were not checked for a day. An archive that the caller does
 * not report as checked is returned again after a minute, so a failing storage or a dead worker delays the check no
 * longer.
 */
export async function findArchivesToCheck(
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

/** Records that these archives exist; they are checked again in a day. */
export async function recordCheckedArchives(db: Db, exportIds: string[]): Promise<void> {
  await sql`
    update public.exports set checked_at = now()
    where id = any(${exportIds}::uuid[]) and status = 'ready'`.execute(db)
}

/**
 * Handles a missing archive of a ready export. While the deletion that promised it is pending, the archive is made
 * again and opens with the same link: returns true. Otherwise it cannot be made again, and the row records since when
 * it is missing.
 */
export async function handleMissingArchive(
  db: Db,
  exportId: string,
  fileName: string,
): Promise<boolean> {
  // The lock keeps a claim or a cancel from changing the deletion before the new status is set.
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
