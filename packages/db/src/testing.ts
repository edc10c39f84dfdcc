import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { connect, type Db } from './client.ts'

export { pair } from './socket-pair.ts'

/** The server that `pnpm test` brought up, with the migrated database `lethe_template` on it. */
const server = process.env.TEST_DATABASE_URL

export interface TestDb {
  db: Db
  url: string
}

/** A migrated database of the test's own, dropped when the test ends. */
export async function testDb(t: Pick<Test, 'teardown'>): Promise<TestDb> {
  if (!server) throw new Error('TEST_DATABASE_URL is not set: run the tests with `pnpm test`')
  const name = `test_${randomBytes(6).toString('hex')}`
  const admin = connect(server, { max: 1 })
  // A copy of the files is made in a quarter of the time that a copy by the log takes.
  await sql`create database ${sql.id(name)} template lethe_template strategy file_copy`.execute(
    admin,
  )
  const url = new URL(server)
  url.pathname = name
  // A machine that runs many tests at once may take longer than a service would wait.
  const db = connect(url.href, { patience: 10_000 })
  t.teardown(async () => {
    await db.destroy()
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
    await admin.destroy()
  })
  return { db, url: url.href }
}

/** The same database, to whoever connects by this one: its `now()` is so many days from what any machine's clock says. */
export async function withClockAhead(
  t: Pick<Test, 'teardown'>,
  { db, url }: TestDb,
  days: number,
): Promise<Db> {
  await sql`create schema ahead`.execute(db)
  await sql`
    create function ahead.now() returns timestamptz language sql stable
    return pg_catalog.now() + make_interval(days => ${sql.lit(days)})`.execute(db)
  // Listed last, the built-in functions are found after this one.
  const ahead = connect(url, { searchPath: 'ahead, pg_catalog' })
  t.teardown(() => ahead.destroy())
  return ahead
}
