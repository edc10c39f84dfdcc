import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

const outOfTime = sql`public.exports e where e.status = 'ready' and e.expires_at <= now()`

export const hasExportsToExpire: RawBuilder<boolean> = sql`exists (select from ${outOfTime})`

/** Expires up to `limit` archives whose time is over, and returns how many. */
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
 * Returns up to `limit` archives that are closed but still stored. One that the caller does not report as removed is
 * returned again after a minute, behind the others, so it blocks none of them.
 */
export async function findArchivesToRemove(
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

export async function recordRemovedArchive(db: Db, exportId: string): Promise<void> {
  await db
    .updateTable('exports')
    .set({ file_name: null })
    .where('id', '=', exportId)
    .where('status', 'in', ['failed', 'withdrawn', 'expired'])
    .execute()
}
