import {
  asUnusable,
  DatabaseReadOnlyError,
  type Db,
  pendingMigrations,
  withTimeout,
} from '@lethe/db'
import { sql } from 'kysely'
import { adoptSecretKey, type Keys, matchesSecretKey } from './keys.ts'

const READINESS_TIMEOUT_MS = 1_000

/** Returns a sentence on why the database cannot be used, or undefined if it can. Takes one second at most. */
export type Readiness = () => Promise<string | undefined>

export function createReadinessCheck({ db, keys }: { db: Db; keys: Keys }): Readiness {
  // Migrations and the key do not change back while the process runs, so a check that succeeded is not repeated.
  let isSettled = false
  let checking: Promise<string | undefined> | undefined
  // Concurrent requests share one check, so they cannot use up the connections of the pool.
  const checkOnce = () => {
    checking ??= check().finally(() => {
      checking = undefined
    })
    return checking
  }
  const check = async () => {
    // A database can become read-only while connections to it are open.
    const { rows } = await sql<{ readOnly: string }>`
      select current_setting('transaction_read_only') as "readOnly"`.execute(db)
    if (rows[0]?.readOnly === 'on') throw new DatabaseReadOnlyError()
    if (isSettled) return undefined
    const pending = await pendingMigrations(db)
    if (pending.length > 0) return 'The database is not migrated: run `pnpm migrate`.'
    if (!(await matchesSecretKey(db, keys))) return foreignSecretKey
    isSettled = true
    return undefined
  }
  return async () => {
    try {
      return await withTimeout(checkOnce(), READINESS_TIMEOUT_MS, 'The database does not answer.')
    } catch (error) {
      if (error instanceof DatabaseReadOnlyError) return error.message
      return asUnusable(error)?.message ?? 'The database cannot be reached.'
    }
  }
}

/**
 * Returns a line on why a process must not start with this database, or undefined. A database that is unreachable or not
 * migrated is no such reason: the readiness check reports it.
 */
export async function whyUnusable(db: Db, keys: Keys): Promise<string | undefined> {
  try {
    return (await adoptSecretKey(db, keys)) ? undefined : foreignSecretKey
  } catch (error) {
    return asUnusable(error)?.message
  }
}

export const foreignSecretKey =
  'SECRET_KEY is not the one that this database was set up with; start with that one.'
