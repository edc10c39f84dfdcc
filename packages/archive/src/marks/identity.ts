import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Which database a folder belongs to. */
export interface Identity {
  /** Random, stored in the database. A dump contains it. */
  id: string
  /** The cluster's system identifier: it differs after a restore to another cluster. Null if the role may not read it. */
  system: string | null
  /** The oid of the database: a copy in the same cluster has another oid. */
  database: string
}

/** Throws if the database is not migrated or does not answer. */
export async function readIdentity(db: Db): Promise<Identity> {
  const { rows } = await sql<{ id: string; database: string; maySeeSystem: boolean }>`
    select o.id, d.oid::text as database,
      has_function_privilege('pg_catalog.pg_control_system()', 'execute') as "maySeeSystem"
    from lethe.folder_owner o, pg_catalog.pg_database d where d.datname = current_database()`.execute(
    db,
  )
  const [owner] = rows
  if (!owner) throw new Error('the table lethe.folder_owner has lost its row')
  const { id, database, maySeeSystem } = owner
  // A separate statement: PostgreSQL checks the privilege even if the function would not be called.
  return { id, database, system: maySeeSystem ? await readSystemIdentifier(db) : null }
}

async function readSystemIdentifier(db: Db): Promise<string | null> {
  const { rows } = await sql<{ system: string }>`
    select system_identifier::text as system from pg_catalog.pg_control_system()`.execute(db)
  return rows[0]?.system ?? null
}

/** The system identifiers are compared only if both are known. */
export function isSameIdentity(one: Identity, other: Identity): boolean {
  const systems = new Set([one.system, other.system].filter((system) => system !== null))
  return one.id === other.id && one.database === other.database && systems.size <= 1
}
