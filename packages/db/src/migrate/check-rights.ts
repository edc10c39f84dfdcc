import { sql } from 'kysely'
import type { Db } from '../client.ts'
import { UnusableDatabaseError } from '../session.ts'

interface Rights {
  /** Quoted for SQL where necessary. */
  role: string
  database: string
  hasPublic: boolean
  createsTables: boolean
  createsSchemas: boolean
  hasSchemas: boolean
  /** The owner of the tables of earlier migrations, if our role is not a member of that role. */
  owner: string | null
  /**
   * The schema in which an earlier version, which followed the search_path, created its tables. Other apps also have
   * tables `kysely_migration` and `audit_events`: only all four names together mean Lethe.
   */
  misplaced: string | null
}

/** Throws one line on what this role lacks, before a statement fails halfway. */
export async function checkRights(db: Db): Promise<void> {
  const rights = await readRights(db)
  const { role, database, owner, misplaced } = rights
  if (misplaced !== null)
    throw new UnusableDatabaseError(
      `An earlier version put its tables into the schema ${misplaced} instead of public`,
      `move each of them with: alter table ${misplaced}.… set schema public`,
    )
  if (!rights.hasPublic)
    throw new UnusableDatabaseError(
      'The database has no schema public, where the tables of Lethe belong',
      `create schema public authorization ${role}`,
    )
  if (owner !== null)
    throw new UnusableDatabaseError(
      `The tables belong to the role ${owner}, and ${role} may not change them`,
      `run migrate as ${owner}, or: grant ${owner} to ${role}`,
    )
  if (!rights.createsTables)
    throw new UnusableDatabaseError(
      `The role ${role} may not create tables in the schema public`,
      `grant create, usage on schema public to ${role}`,
    )
  if (!rights.hasSchemas && !rights.createsSchemas)
    throw new UnusableDatabaseError(
      `The role ${role} may not create schemas in this database`,
      `grant create on database ${database} to ${role}`,
    )
}

async function readRights(db: Db): Promise<Rights> {
  const { rows } = await sql<Rights>`
    select pg_catalog.quote_ident(current_user) as role,
      pg_catalog.quote_ident(pg_catalog.current_database()) as database,
      pg_catalog.to_regnamespace('public') is not null as "hasPublic",
      coalesce(pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('public')::oid, 'create'), false)
        as "createsTables",
      pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as "createsSchemas",
      pg_catalog.to_regnamespace('lethe') is not null as "hasSchemas",
      (select pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(relowner)) from pg_catalog.pg_class
        where oid = pg_catalog.to_regclass('public.kysely_migration')
          and not pg_catalog.pg_has_role(relowner, 'usage')) as owner,
      (select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relname in ('kysely_migration', 'audit_events', 'deletions', 'outbox') and n.nspname <> 'public'
          and pg_catalog.to_regclass('public.kysely_migration') is null
        group by n.nspname having count(*) = 4 limit 1) as misplaced`.execute(db)
  return rows[0] as Rights
}
