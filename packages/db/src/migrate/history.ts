import { sql } from 'kysely'
import type { Db, Tx } from '../client.ts'

// `public.kysely_migration` is the table of Kysely's migrator, which earlier versions of Lethe used.

export async function appliedMigrations(db: Db): Promise<Set<string>> {
  const { rows: found } = await sql<{ exists: boolean }>`
    select pg_catalog.to_regclass('public.kysely_migration') is not null as exists`.execute(db)
  if (!found[0]?.exists) return new Set()
  const { rows } = await sql<{ name: string }>`select name from public.kysely_migration`.execute(db)
  return new Set(rows.map(({ name }) => name))
}

export async function ensureHistory(db: Db): Promise<void> {
  await sql`
    create table if not exists public.kysely_migration (
      name      varchar(255) primary key,
      timestamp varchar(255) not null
    )`.execute(db)
}

/** Runs in the transaction of the migration, so that a migration is applied and recorded, or neither. */
export async function recordMigration(tx: Tx, name: string): Promise<void> {
  await sql`
    insert into public.kysely_migration (name, timestamp)
    values (${name}, to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`.execute(
    tx,
  )
}
