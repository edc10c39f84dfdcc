import { connect, migrate } from '@lethe/db'
import { sql } from 'kysely'
import { applyHostileDefaults, makeHostileRole } from './hostile-database.ts'

const TEMPLATE = 'lethe_template'

/** Recreates the migrated database `lethe_template`; each test copies it. */
export async function makeTemplate(server: string): Promise<void> {
  await makeEmpty(server)
  await migrateTemplate(server)
}

/**
 * The same for `pnpm test --hostile`. Returns the address for the tests: a role that is not a superuser, on a database
 * with unfavorable defaults and names.
 */
export async function makeHostileTemplate(server: string): Promise<string> {
  await makeEmpty(server)
  const url = await makeHostileRole(server)
  await applyHostileDefaults(Object.assign(new URL(server), { pathname: TEMPLATE }).href)
  await migrateTemplate(url)
  return url
}

async function makeEmpty(server: string): Promise<void> {
  const admin = connect(server, { max: 1 })
  try {
    await sql`drop database if exists ${sql.id(TEMPLATE)} with (force)`.execute(admin)
    await sql`create database ${sql.id(TEMPLATE)}`.execute(admin)
  } finally {
    await admin.destroy()
  }
}

async function migrateTemplate(server: string): Promise<void> {
  const template = connect(Object.assign(new URL(server), { pathname: TEMPLATE }).href, { max: 2 })
  try {
    await migrate(template)
  } finally {
    // A database with a connection cannot be copied.
    await template.destroy()
  }
}
