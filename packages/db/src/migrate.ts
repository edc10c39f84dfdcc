import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import type { Db } from './client.ts'

const folder = path.join(import.meta.dirname, '../../../migrations')

/**
 * Applies every pending `migrations/*.sql`, in one transaction, under a lock. Returns the names it applied. For a schema that
 * brings people of its own (docs/data-map.md) those that make our users are noted as applied, and are not.
 */
export async function migrate(db: Db, { withoutUsers = false } = {}): Promise<string[]> {
  const { error, results = [] } = await migrator(db, withoutUsers).migrateToLatest()
  if (error) throw error
  return results.map((result) => result.migrationName)
}

/** The names of the migrations that this code has and the database has not. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const migrations = await migrator(db).getMigrations()
  return migrations.filter(({ executedAt }) => !executedAt).map(({ name }) => name)
}

function migrator(db: Db, withoutUsers = false): Migrator {
  return new Migrator({
    db,
    migrationTableSchema: 'public',
    provider: { getMigrations: () => getMigrations(withoutUsers) },
  })
}

/** The migrations that are about our users say so in their names. */
const ofUsers = /_users(_|\.)/

async function getMigrations(withoutUsers: boolean): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql'))
  return Object.fromEntries(
    files.map((file) => [
      path.basename(file, '.sql'),
      withoutUsers && ofUsers.test(file) ? { up: async () => {} } : migration(file),
    ]),
  )
}

function migration(file: string): Migration {
  return {
    async up(db) {
      // Names without a schema are made in `public`, for this transaction alone.
      await sql`select set_config('search_path',
        concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), true)`.execute(db)
      await sql.raw(await readFile(path.join(folder, file), 'utf8')).execute(db)
    },
  }
}
