import type { Db, DeletionStatus } from '@lethe/db'
import { sql } from 'kysely'

export type ListedDeletion = {
  id: string
  user_id: number
  status: DeletionStatus
  requested_at: Date
  erase_after: Date
  erased_at: Date | null
  attempts: number
  files_missing: unknown
}

/** The newest hundred deletions that have one of these statuses, the newest first. */
export async function listDeletions(
  db: Db,
  statuses: readonly DeletionStatus[],
): Promise<ListedDeletion[]> {
  // Reads the newest hundred of each status by an index: sorting a million deletions takes seconds.
  const { rows } = await sql<ListedDeletion>`
    select d.* from unnest(${statuses}::text[]) as wanted (status),
      lateral (
        select id, user_id, status, requested_at, erase_after, erased_at, attempts, files_missing
        from public.deletions
        where deletions.status = wanted.status order by requested_at desc, id desc limit 100
      ) as d
    order by d.requested_at desc, d.id desc limit 100`.execute(db)
  return rows
}
