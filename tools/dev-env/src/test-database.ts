import { connect, migrate } from '@lethe/db'
import { sql } from 'kysely'
import { applyHostileDefaults, makeHostileRole } from './hostile-database.ts'

const TEMPLATE = 'lethe_template'

/** Makes the migrated database `lethe_template` anew: each test takes a copy of it. */
export async function makeTemplate(server: string): Promise<void> {
  await makeEmpty(server)
  await migrateTemplate(server)
}

/**
 * The same for `pnpm test --hostile`. Returns the address by which tests reach it: as a role that is no superuser, on a
 * database whose defaults and names are all against us.
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
    // A database that somebody is connected to cannot be copied.
    await template.destroy()
  }
}
