import { isKnownSecretKey, type Keys } from '@lethe/accounts'
import { type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'

/** Why the database cannot be worked on, in a sentence; nothing where it can. */
export async function whyNotReady({
  db,
  keys,
}: {
  db: Db
  keys: Keys
}): Promise<string | undefined> {
  try {
    await sql`select 1`.execute(db)
    const pending = await pendingMigrations(db)
    if (pending.length > 0) return 'The database is not migrated: run `pnpm migrate`.'
    if (!(await isKnownSecretKey(db, keys)))
      return 'SECRET_KEY is not the one that this database was set up with.'
    return undefined
  } catch {
    return 'The database cannot be reached.'
  }
}
