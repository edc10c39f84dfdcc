import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/**
 * Records, before the first byte is written, that archives of these exports are tried under this lease: only what is recorded
 * here is ever collected. Returns the exports that are still under the lease; no archive of another one may be written.
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

export interface DeadAttempt {
  exportId: string
  lease: string
  /** The database's clock: whatever a worker's own says. */
  now: Date
}

/**
 * Up to `limit` tries that began more than a day ago and whose archive no row names or makes any more; each try is looked at
 * once a day. A try of before the last start of the database server may be the work of another one of which this is a copy:
 * its archive waits until the export is over, which is the same date in both.
 */
export async function findDeadAttempts(
  db: Db,
  limit: number,
): Promise<{ dead: DeadAttempt[]; looked: number }> {
  const { rows } = await sql<DeadAttempt & { isDead: boolean }>`/* collect archives */
    with due as materialized (
      select export_id, lease from lethe.archive_attempts
      where next_check_at <= now() and begun_at <= now() - interval '1 day'
      order by next_check_at limit ${limit} for update skip locked
    )
    update lethe.archive_attempts a set next_check_at = now() + interval '1 day'
    from due, public.exports e
    where a.export_id = due.export_id and a.lease = due.lease and e.id = a.export_id
    returning a.export_id as "exportId", a.lease, now() as now,
      e.lease is distinct from a.lease
      and e.file_name is distinct from (a.export_id || '.' || a.lease || '.zip.age')
      and (a.begun_at > pg_postmaster_start_time() or e.status not in ('pending', 'ready')) as "isDead"`.execute(
    db,
  )
  return { dead: rows.filter(({ isDead }) => isDead), looked: rows.length }
}

/** Nothing of this try is stored any more. */
export async function forgetAttempt(db: Db, { exportId, lease }: DeadAttempt): Promise<void> {
  await sql`
    delete from lethe.archive_attempts where export_id = ${exportId} and lease = ${lease}`.execute(
    db,
  )
}
