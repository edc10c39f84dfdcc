import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/**
 * Records attempts to write these archives under this lease, before the first byte: orphaned archives are found only
 * through these records. Returns the exports still under the lease; the caller must write no other archive.
 */
export async function recordAttempts(
  db: Db,
  lease: string,
  exportIds: string[],
): Promise<string[]> {
  if (exportIds.length === 0) return []
  const { rows } = await sql<{ id: string }>`/* record attempts */
    with held as (
      select id from public.exports where id = any(${exportIds}::uuid[]) and lease = ${lease}
    ), recorded as (
      insert into lethe.archive_attempts (export_id, lease) select id, ${lease}::uuid from held
      on conflict do nothing
    )
    select id from held`.execute(db)
  return rows.map(({ id }) => id)
}

export interface OrphanedAttempt {
  exportId: string
  lease: string
  /** The database's clock, whatever the worker's clock says. */
  now: Date
}

/**
 * Returns up to `limit` attempts that began more than a day ago and whose archive no row names and no worker is
 * writing. Each attempt is checked once a day, and an orphaned one again after a minute unless the caller reports on
 * it: see `deleteAttempt` and `postponeAttempt`. After a restart of the database server an earlier attempt may belong
 * to another server of which this is a copy: its archive waits until the export has expired, on a date that both
 * share.
 */
export async function findOrphanedAttempts(
  db: Db,
  limit: number,
): Promise<{ dead: OrphanedAttempt[]; looked: number }> {
  const { rows } = await sql<OrphanedAttempt & { isDead: boolean }>`/* collect archives */
    with due as materialized (
      select a.export_id, a.lease,
        e.lease is distinct from a.lease
        and e.file_name is distinct from (a.export_id || '.' || a.lease || '.zip.age')
        and (a.begun_at > pg_postmaster_start_time() or e.status not in ('pending', 'ready')) as is_dead
      from lethe.archive_attempts a join public.exports e on e.id = a.export_id
      where a.next_check_at <= now() and a.begun_at <= now() - interval '1 day'
      order by a.next_check_at limit ${limit} for update of a skip locked
    )
    update lethe.archive_attempts a
    set next_check_at = now() + case when due.is_dead then interval '1 minute' else interval '1 day' end
    from due
    where a.export_id = due.export_id and a.lease = due.lease
    returning a.export_id as "exportId", a.lease, now() as now, due.is_dead as "isDead"`.execute(db)
  return { dead: rows.filter(({ isDead }) => isDead), looked: rows.length }
}

/** Records that nothing of this attempt is stored any more. */
export async function deleteAttempt(db: Db, { exportId, lease }: OrphanedAttempt): Promise<void> {
  await sql`
    delete from lethe.archive_attempts where export_id = ${exportId} and lease = ${lease}`.execute(
    db,
  )
}

/** Keeps the archive for now; the attempt is checked again in a day. */
export async function postponeAttempt(db: Db, { exportId, lease }: OrphanedAttempt): Promise<void> {
  await sql`
    update lethe.archive_attempts set next_check_at = now() + interval '1 day'
    where export_id = ${exportId} and lease = ${lease}`.execute(db)
}
