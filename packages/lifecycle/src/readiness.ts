import { asUnusable, DatabaseReadOnlyError, type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'
import { fitsSecretKey, type Keys } from './keys.ts'

const PATIENCE_MS = 1_000

/** Why the database cannot be worked on, in a sentence; nothing where it can. Never takes longer than a second. */
export type Readiness = () => Promise<string | undefined>

export function readiness({ db, keys }: { db: Db; keys: Keys }): Readiness {
  // Neither is undone while the process runs, so both are asked for only until they hold.
  let settled = false
  let asking: Promise<string | undefined> | undefined
  // Requests that arrive together share one look, so they do not take all connections for it.
  const askOnce = () => {
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }
  const ask = async () => {
    // A database can become read-only under connections that are open.
    const { rows } = await sql<{ readOnly: string }>`
      select current_setting('transaction_read_only') as "readOnly"`.execute(db)
    if (rows[0]?.readOnly === 'on') throw new DatabaseReadOnlyError()
    if (settled) return undefined
    const pending = await pendingMigrations(db)
    if (pending.length > 0) return 'The database is not migrated: run `pnpm migrate`.'
    if (!(await fitsSecretKey(db, keys))) return foreignSecretKey
    settled = true
    return undefined
  }
  return async () => {
    const late = Promise.withResolvers<string>()
    const timer = setTimeout(() => late.resolve('The database does not answer.'), PATIENCE_MS)
    try {
      return await Promise.race([askOnce(), late.promise])
    } catch (error) {
      if (error instanceof DatabaseReadOnlyError) return error.message
      return asUnusable(error)?.message ?? 'The database cannot be reached.'
    } finally {
      clearTimeout(timer)
    }
  }
}

export const foreignSecretKey =
  'SECRET_KEY is not the one that this database was set up with; start with that one.'
