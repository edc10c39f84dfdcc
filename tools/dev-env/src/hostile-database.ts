import { connect } from '@lethe/db'
import { sql } from 'kysely'

/** For `pnpm test --hostile`: the role of the compose file, with unfavorable defaults for every session setting. */
const ROLE = 'lethe'
const role = sql.id(ROLE)
const PASSWORD = 'lethe'

/** Each setting changes the meaning, the result or the time limit of a statement. */
const ofRole = {
  timezone: 'Europe/Berlin',
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  bytea_output: 'escape',
  default_transaction_isolation: 'serializable',
  statement_timeout: '1500ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '500ms',
  idle_session_timeout: '1s',
  extra_float_digits: '-3',
  array_nulls: 'off',
}
const ofDatabase = {
  row_security: 'on',
  standard_conforming_strings: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  default_transaction_deferrable: 'on',
}
const OF_URL = '-c TimeZone=America/New_York -c IntervalStyle=iso_8601 -c search_path=shop'

/** Objects that an unqualified name finds first. */
const TRAPS = `
  create schema shop;
  create table shop.users (id text, email text);
  create table shop.deletions (id text);
  create table shop.outbox (id text);
  create function shop.now() returns timestamptz language sql as $$ select timestamptz '1999-01-01' $$;
  create function shop.lower(text) returns text language sql as $$ select 'trapped' $$`

/** Recreates the role; returns the server's address for it, with session options in the URL. */
export async function makeHostileRole(server: string): Promise<string> {
  const admin = connect(server, { max: 1 })
  try {
    await sql`drop role if exists ${role}`.execute(admin)
    await sql`create role ${role} login password ${sql.lit(PASSWORD)}`.execute(admin)
    for (const [name, value] of Object.entries(ofRole))
      await sql`alter role ${role} set ${sql.id(name)} = ${sql.lit(value)}`.execute(admin)
  } finally {
    await admin.destroy()
  }
  const url = Object.assign(new URL(server), { username: ROLE, password: PASSWORD })
  url.searchParams.set('options', OF_URL)
  return url.href
}

/** Makes the role the owner of this database, and sets its defaults and decoy objects. */
export async function applyHostileDefaults(databaseUrl: string): Promise<void> {
  const name = sql.id(new URL(databaseUrl).pathname.slice(1))
  const admin = connect(databaseUrl, { max: 1 })
  try {
    await sql`alter database ${name} owner to ${role}`.execute(admin)
    await sql`alter database ${name} set search_path = "$user", shop, public, pg_catalog`.execute(
      admin,
    )
    for (const [setting, value] of Object.entries(ofDatabase))
      await sql`alter database ${name} set ${sql.id(setting)} = ${sql.lit(value)}`.execute(admin)
    await sql.raw(TRAPS).execute(admin)
    await sql`grant usage on schema shop to public`.execute(admin)
  } finally {
    await admin.destroy()
  }
}
