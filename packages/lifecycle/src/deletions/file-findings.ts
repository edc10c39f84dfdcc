import type { Db, FilesByTable } from '@lethe/db'
import { sql } from 'kysely'

export interface FoundFiles {
  /** The id of the deletion. */
  id: string
  found: FilesByTable
  missing: FilesByTable
}

/**
 * Commits which files named by rows exist, before the first of them is removed. Returns the deletions that may
 * continue: those whose lease the caller still holds, and of which no more files are missing than an operator has
 * accepted.
 */
export async function recordFindings(
  db: Db,
  lease: string,
  findings: FoundFiles[],
): Promise<string[]> {
  if (findings.length === 0) return []
  const { rows } = await sql<{ id: string; complete: boolean }>`/* record findings */
    update public.deletions d
    set files_missing = nullif(f.missing, '{}'),
      files_found = case when not exists (
        select from jsonb_each_text(f.missing) as m (source, files)
        where m.files::bigint > coalesce((d.files_accepted ->> m.source)::bigint, 0)
      ) then f.found end
    from jsonb_to_recordset(${JSON.stringify(findings)}::jsonb) as f (id uuid, found jsonb, missing jsonb)
    where d.id = f.id and d.status = 'erasing' and d.lease = ${lease} and d.files_found is null
    returning d.id, d.files_found is not null as complete`.execute(db)
  return rows.filter(({ complete }) => complete).map(({ id }) => id)
}

export interface Retried {
  /** The missing files that the operator accepted as lost. */
  accepted: FilesByTable | null
}

/**
 * Lets an operator retry an erasure at once. With `acceptMissing` it continues without the files that its last
 * attempt did not find. Returns undefined if this deletion is not being erased.
 */
export async function retryErasure(
  db: Db,
  id: string,
  { acceptMissing, reason }: { acceptMissing: boolean; reason: string },
): Promise<Retried | undefined> {
  const { rows } = await sql<Retried>`
    with retried as (
      update public.deletions
      set next_attempt_at = case when lease is null then least(next_attempt_at, now()) else next_attempt_at end,
        files_accepted = case when ${acceptMissing} then files_missing else files_accepted end
      where id = ${id} and status = 'erasing'
      returning id, files_accepted as accepted
    ), noted as (
      insert into public.audit_events (deletion_id, event, details)
      select id, 'deletion.retried', jsonb_strip_nulls(jsonb_build_object('reason', ${reason}::text,
        'acceptedMissing', case when ${acceptMissing} then accepted end))
      from retried
    )
    select accepted from retried`.execute(db)
  return rows[0]
}
