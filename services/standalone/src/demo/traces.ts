import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Searches every column of every row of every table, including the queue's; returns the tables with a hit. */
export async function tracesInDatabase(
  db: Db,
  words: string[],
): Promise<{ searched: number; schemas: string[]; hits: string[] }> {
  const tables = await allTables(db)
  const hits: string[] = []
  const patterns = words.map((word) => `%${word}%`)
  for (const { schema, name } of tables) {
    const { rows } = await sql`
      select from ${sql.id(schema, name)} t where t::text ilike any(${patterns}) limit 1`.execute(
      db,
    )
    if (rows.length > 0) hits.push(`${schema}.${name}`)
  }
  const schemas = [...new Set(tables.map(({ schema }) => schema))]
  return { searched: tables.length, schemas, hits }
}

/** Returns the files below the folder whose name or content contains one of the words, or that belong to this person. */
export async function tracesInFolder(
  folder: string,
  userId: number,
  words: string[],
): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const hits = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const bytes = await readFile(path.join(parentPath, name))
      const theirs = path.basename(parentPath) === String(userId)
      return theirs || words.some((word) => name.includes(word) || bytes.includes(word))
    }),
  )
  return files.filter((_, n) => hits[n]).map(({ name }) => name)
}

/** Returns all rows of one person as text, for a later comparison. */
export async function rowsOf(db: Db, userId: number): Promise<string> {
  const { rows } = await sql<{ rows: string }>`
    select jsonb_build_array(
      (select jsonb_agg(to_jsonb(t)) from public.users t where id = ${userId}),
      (select jsonb_agg(to_jsonb(t) order by id) from public.sessions t where user_id = ${userId}),
      (select jsonb_agg(to_jsonb(t) order by id) from public.saved_passwords t where user_id = ${userId}),
      (select jsonb_agg(to_jsonb(t)) from public.avatars t where user_id = ${userId}),
      (select jsonb_agg(to_jsonb(t)) from vault.person_keys t where user_id = ${userId}))::text as rows`.execute(
    db,
  )
  return rows[0]?.rows ?? ''
}

async function allTables(db: Db): Promise<{ schema: string; name: string }[]> {
  const { rows } = await sql<{ schema: string; name: string }>`
    select table_schema as schema, table_name as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
    order by 1, 2`.execute(db)
  return rows
}
