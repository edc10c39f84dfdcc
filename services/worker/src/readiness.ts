import { isKnownSecretKey, type Keys } from '@lethe/accounts'
import { type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'

/** Why the database cannot be worked on, in a sentence; nothing where it can. */
export type Readiness = () => Promise<string | undefined>

export function readiness({ db, keys }: { db: Db; keys: Keys }): Readiness {
  // Neither is undone while the process runs, so both are asked for only until they hold.
  let settled = false
  return async () => {
    try {
      await sql`select 1`.execute(db)
      if (settled) return undefined
      const pending = await pendingMigrations(db)
      if (pending.length > 0) return 'The database is not migrated: run `pnpm migrate`.'
      if (!(await isKnownSecretKey(db, keys)))
        return 'SECRET_KEY is not the one that this database was set up with.'
      settled = true
      return undefined
    } catch {
      return 'The database cannot be reached.'
    }
  }
}
