import { type Db, migrate } from '@lethe/db'
import { emptyDb, type TestDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import type { Test } from 'tap'

/**
 * Creates a migrated database whose clock stands still until the test sets it. The product calls `now()` without a schema,
 * so the search path resolves it, in column defaults too, to `clock.now()` instead of PostgreSQL's.
 */
export async function createDbWithClock(t: Pick<Test, 'teardown'>): Promise<TestDb> {
  const { db, url } = await emptyDb(t, { searchPath: 'clock, pg_catalog' })
  await createClock(db)
  await migrate(db)
  return { db, url }
}

async function createClock(db: Db) {
  await sql`create schema clock`.execute(db)
  await sql`create table clock.hand (at timestamptz not null)`.execute(db)
  await sql`insert into clock.hand values (pg_catalog.now())`.execute(db)
  await sql`create function clock.now() returns timestamptz language plpgsql stable parallel safe as
    $$ begin return (select at from clock.hand); end $$`.execute(db)
}

export async function setClock(db: Db, instant: number): Promise<void> {
  await sql`update clock.hand set at = ${new Date(instant)}`.execute(db)
}

/** The column defaults that use this clock, and all definitions in the database that use another one. */
export async function findClockUses(db: Db): Promise<{ defaults: string[]; others: string[] }> {
  return db.transaction().execute(async (tx) => {
    // With an empty search path, PostgreSQL prints the schema of every function but its own.
    await sql`set local search_path = ''`.execute(tx)
    const { rows } = await sql<{ name: string; text: string }>`
      select c.relname || '.' || a.attname as name, pg_get_expr(d.adbin, d.adrelid) as text
      from pg_attrdef d join pg_class c on c.oid = d.adrelid
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
      union all select conname, pg_get_constraintdef(oid) from pg_constraint
      union all select viewname, definition from pg_views where schemaname in ('public', 'vault')
      union all select oid::regprocedure::text, prosrc from pg_proc
        where pronamespace in ('public'::regnamespace, 'vault'::regnamespace)`.execute(tx)
    const usesOtherClock = (text: string) => CLOCK_PATTERN.test(text.replaceAll('clock.now()', ''))
    const clockUses = rows.filter(({ text }) => CLOCK_PATTERN.test(text))
    return {
      defaults: clockUses.filter(({ text }) => !usesOtherClock(text)).map(({ name }) => name),
      others: clockUses.filter(({ text }) => usesOtherClock(text)).map(({ name }) => name),
    }
  })
}

const CLOCK_PATTERN = /\bnow\(\)|_timestamp\(|\b(current|local)_?(date|time)/i
