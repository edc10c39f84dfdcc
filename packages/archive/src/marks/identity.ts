import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Which database a folder belongs to. */
export interface Identity {
  /** Random, and kept in the database: a dump carries it along. */
  id: string
  /** Of the cluster: a dump that is restored elsewhere has another. Null where the role may not ask for it. */
  system: string | null
  /** The oid of the database: a copy beside it, in the same cluster, has another. */
  database: string
}

/** Throws where the database is not migrated, or does not answer. */
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
  // A statement of its own: the right is asked for even where the function would not be called.
  return { id, database, system: maySeeSystem ? await readSystem(db) : null }
}

async function readSystem(db: Db): Promise<string | null> {
  const { rows } = await sql<{ system: string }>`
    select system_identifier::text as system from pg_catalog.pg_control_system()`.execute(db)
  return rows[0]?.system ?? null
}

/** A system that is not known on one of the two sides tells nothing. */
export function isSame(one: Identity, other: Identity): boolean {
  const systems = new Set([one.system, other.system].filter((system) => system !== null))
  return one.id === other.id && one.database === other.database && systems.size <= 1
}
