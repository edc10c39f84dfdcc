import type { Db } from './client.ts'
import { checkRights } from './migrate/check-rights.ts'
import { listMigrationNames, type Migration, readMigrations } from './migrate/files.ts'
import { appliedMigrations, ensureHistory } from './migrate/history.ts'
import { withMigrationLock } from './migrate/migration-lock.ts'
import { runMigration, type Waiting } from './migrate/run-migration.ts'
import { UnusableDatabaseError } from './session.ts'

export interface MigrateOptions {
  /** Records the migrations that create the built-in users as applied, without running them (docs/data-map.md). */
  withoutUsers?: boolean
  /** Receives a line for the operator whenever another transaction blocks the migration. */
  onWait?: (line: string) => void
}

const WAIT_TIMEOUT_MS = 600_000

/**
 * Applies every pending `migrations/*.sql`, each in its own transaction, and returns the names of those it applied.
 * It needs two connections of the pool: one migrates, and the other finds out what blocks it.
 */
export async function migrate(
  db: Db,
  { withoutUsers = false, onWait = () => {} }: MigrateOptions = {},
): Promise<string[]> {
  const migrations = await readMigrations({ withoutUsers })
  return applyMigrations(db, migrations, { onWait, deadline: performance.now() + WAIT_TIMEOUT_MS })
}

/** Returns the names of the migrations that this code has and the database does not. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const applied = await appliedMigrations(db)
  return (await listMigrationNames()).filter((name) => !applied.has(name))
}

export async function applyMigrations(
  db: Db,
  migrations: Migration[],
  waiting: Waiting,
): Promise<string[]> {
  return db.connection().execute((session) =>
    withMigrationLock(session, waiting, async () => {
      const recorded = await appliedMigrations(session)
      refuseUnknown(recorded, migrations)
      const pending = migrations.filter(({ name }) => !recorded.has(name))
      if (pending.length > 0) await checkRights(session)
      if (recorded.size === 0) await ensureHistory(session)
      for (const migration of pending) await runMigration({ db, session, migration, waiting })
      return pending.map(({ name }) => name)
    }),
  )
}

function refuseUnknown(recorded: Set<string>, migrations: Migration[]): void {
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = [...recorded].find((name) => !known.has(name))
  if (unknown !== undefined)
    throw new UnusableDatabaseError(
      `The database records a migration that this version of Lethe does not have: ${unknown}`,
      'start the version that applied it, or a newer one',
    )
}
