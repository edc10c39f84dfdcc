import { asUnusable, connect, isUnavailable, migrate } from '@lethe/db'
import { UserFacingError } from '@lethe/dev-env'
import { sql } from 'kysely'

/** Returns the URL of the database `lethe` on the embedded server; creates it if it is missing. */
export async function makeDatabase(server: string): Promise<string> {
  const admin = connect(server, { max: 1 })
  try {
    const { rows } =
      await sql`select 1 from pg_catalog.pg_database where datname = 'lethe'`.execute(admin)
    if (rows.length === 0) await sql`create database lethe`.execute(admin)
  } finally {
    await admin.destroy()
  }
  const url = new URL(server)
  url.pathname = 'lethe'
  return url.href
}

/** Applies pending migrations, and reports whether the database has no users yet. */
export async function prepareDatabase(
  url: string,
  onWait: (line: string) => void,
): Promise<{ applied: number; empty: boolean }> {
  const db = connect(url, { max: 2 })
  try {
    const applied = await migrate(db, { onWait })
    const someone = await db.selectFrom('users').select('id').limit(1).executeTakeFirst()
    return { applied: applied.length, empty: someone === undefined }
  } catch (error) {
    const unusable = asUnusable(error)
    if (unusable) throw new UserFacingError(unusable.message)
    if (isUnavailable(error))
      throw new UserFacingError(
        'The database that DATABASE_URL names does not answer: start it, or leave DATABASE_URL out to use an embedded one.',
      )
    throw error
  } finally {
    await db.destroy()
  }
}
