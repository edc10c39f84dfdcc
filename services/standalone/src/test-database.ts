import { connect, migrate } from '@lethe/db'
import { sql } from 'kysely'

/** Makes the migrated database `lethe_template` anew: each test takes a copy of it. */
export async function makeTemplate(server: string): Promise<void> {
  const admin = connect(server, { max: 1 })
  try {
    await sql`drop database if exists lethe_template with (force)`.execute(admin)
    await sql`create database lethe_template`.execute(admin)
  } finally {
    await admin.destroy()
  }
  const url = new URL(server)
  url.pathname = 'lethe_template'
  const template = connect(url.href, { max: 2 })
  try {
    await migrate(template)
  } finally {
    // A database that somebody is connected to cannot be copied.
    await template.destroy()
  }
}
