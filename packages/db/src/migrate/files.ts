import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

const folder = path.join(import.meta.dirname, '../../../../migrations')

export interface Migration {
  name: string
  /** The statements to run; undefined for a migration that is only recorded. */
  statements: string | undefined
}

/** Returns the names of the files in `migrations/`, in the order in which they apply. */
export async function listMigrationNames(): Promise<string[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql'))
  return files.map((file) => path.basename(file, '.sql')).toSorted()
}

/** Migrations that create the built-in users have `users` in their names. */
const usersMigration = /_users(_|$)/

export async function readMigrations({ withoutUsers = false } = {}): Promise<Migration[]> {
  const names = await listMigrationNames()
  return Promise.all(
    names.map(async (name) => {
      const isSkipped = withoutUsers && usersMigration.test(name)
      return { name, statements: isSkipped ? undefined : await readStatements(name) }
    }),
  )
}

function readStatements(name: string): Promise<string> {
  return readFile(path.join(folder, `${name}.sql`), 'utf8')
}
