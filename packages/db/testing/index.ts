import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { connect, type Db } from '../src/client.ts'
import type { ConnectOptions } from '../src/pool.ts'

export { linkSockets } from './socket-pair.ts'

/**
 * The server that `pnpm test` started, with the migrated database `lethe_template`. The first URL has the role of the
 * tests; the second has a role that may create databases, if the first may not (`pnpm test --hostile`).
 */
const { TEST_DATABASE_URL: server, TEST_ADMIN_URL: adminServer = server } = process.env

/** A machine that runs many tests at once may need more time than a service would allow. */
const DATABASE_TIMEOUT_MS = 60_000

export interface TestDb {
  db: Db
  url: string
}

/** Creates a migrated database for this test, and drops it when the test ends. */
export function testDb(t: Pick<Test, 'teardown'>): Promise<TestDb> {
  return makeDb(t, TEMPLATE)
}

/** Creates a database without migrations for this test. */
export function emptyDb(t: Pick<Test, 'teardown'>, options: ConnectOptions = {}): Promise<TestDb> {
  return makeDb(t, 'template0', options)
}

const TEMPLATE = 'lethe_template'

async function makeDb(
  t: Pick<Test, 'teardown'>,
  template: string,
  options: ConnectOptions = {},
): Promise<TestDb> {
  if (!server || !adminServer)
    throw new Error('TEST_DATABASE_URL is not set: run the tests with `pnpm test`')
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = connect(adminServer, { max: 1, timeoutMs: DATABASE_TIMEOUT_MS })
  // Copying the files takes a quarter of the time of a copy through the write-ahead log.
  await sql`create database ${sql.id(name)} template ${sql.id(template)} strategy file_copy`.execute(
    admin,
  )
  if (adminServer !== server) await transferDatabase(new URL(server).username, name, admin)
  const url = Object.assign(new URL(server), { pathname: name }).href
  const db = connect(url, { timeoutMs: DATABASE_TIMEOUT_MS, ...options })
  t.teardown(async () => {
    await db.destroy()
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
    await admin.destroy()
  })
  return { db, url }
}

/** Sets what a copy does not inherit from its template: the owner, and the settings of `alter database … set …`. */
async function transferDatabase(role: string, name: string, admin: Db): Promise<void> {
  await sql`alter database ${sql.id(name)} owner to ${sql.id(role)}`.execute(admin)
  await sql`
    insert into pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
    select copy.oid, 0, s.setconfig
    from pg_catalog.pg_db_role_setting s
    join pg_catalog.pg_database t on t.oid = s.setdatabase and t.datname = ${TEMPLATE}
    join pg_catalog.pg_database copy on copy.datname = ${name}
    where s.setrole = 0`.execute(admin)
}

/** Opens a connection to the same database as a superuser. */
export function asSuperuser(t: Pick<Test, 'teardown'>, { url }: Pick<TestDb, 'url'>): Db {
  if (!adminServer) throw new Error('TEST_DATABASE_URL is not set: run the tests with `pnpm test`')
  const { pathname } = new URL(url)
  const db = connect(Object.assign(new URL(adminServer), { pathname }).href, { timeoutMs: 10_000 })
  t.teardown(() => db.destroy())
  return db
}

/** Opens a connection to the same database on which `now()` is this many days ahead. */
export async function withClockAhead(
  t: Pick<Test, 'teardown'>,
  { db, url }: TestDb,
  days: number,
): Promise<Db> {
  await sql`create schema ahead`.execute(db)
  await sql`
    create function ahead.now() returns timestamptz language sql stable
    return pg_catalog.now() + make_interval(days => ${sql.lit(days)})`.execute(db)
  // The built-in schema comes last, so that PostgreSQL finds this function first.
  const ahead = connect(url, { searchPath: 'ahead, pg_catalog' })
  t.teardown(() => ahead.destroy())
  return ahead
}
