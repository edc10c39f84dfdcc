import type { Db } from '@lethe/db'
import { sql } from 'kysely'

type Row = Record<string, string | number | boolean | null>

const tables = [
  'users',
  'vault.person_keys',
  'saved_passwords',
  'avatars',
  'sessions',
  'deletions',
  'exports',
  'outbox',
  'audit_events',
] as const

/** Every row of every table, as JSON. */
export type Rows = Record<(typeof tables)[number], Row[]>

/** Reads all rows in one snapshot and advances the clock by a millisecond, so that no two commands have the same time. */
export async function readAllRows(db: Db): Promise<{ rows: Rows; text: string }> {
  const result = await sql<{ text: string }>`
    with moved as (update clock.hand set at = at + interval '1 millisecond')
    select json_build_object(${sql.join(tables.flatMap(jsonMember))})::text as text`.execute(db)
  const text = result.rows[0]?.text ?? ''
  return { rows: JSON.parse(text), text }
}

function jsonMember(table: (typeof tables)[number]) {
  return [sql.lit(table), sql`(select coalesce(json_agg(r), '[]'::json) from ${rowsOf(table)} r)`]
}

export function rowsOf(table: (typeof tables)[number]) {
  return sql.table(table.includes('.') ? table : `public.${table}`)
}
