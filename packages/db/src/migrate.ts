import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import type { Db } from './client.ts'

const folder = path.join(import.meta.dirname, '../../../migrations')

/** Applies every pending `migrations/*.sql`, in one transaction, under a lock. Returns the names it applied. */
export async function migrate(db: Db): Promise<string[]> {
  const { error, results = [] } = await migrator(db).migrateToLatest()
  if (error) throw error
  return results.map((result) => result.migrationName)
}

/** The names of the migrations that this code has and the database has not. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const migrations = await migrator(db).getMigrations()
  return migrations.filter(({ executedAt }) => !executedAt).map(({ name }) => name)
}

function migrator(db: Db): Migrator {
  return new Migrator({ db, provider: { getMigrations } })
}

async function getMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql'))
  return Object.fromEntries(files.map((file) => [path.basename(file, '.sql'), migration(file)]))
}

function migration(file: string): Migration {
  return {
    async up(db) {
      await sql.raw(await readFile(path.join(folder, file), 'utf8')).execute(db)
    },
  }
}
