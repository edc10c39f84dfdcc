import { dataMap } from '@lethe/accounts'
import { type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'
import { type Finding, ok, warning, wrong } from './finding.ts'

/** What the role of DATABASE_URL may do, and too much of it. */
export async function lookAtRole({ db }: { db: Db }): Promise<Finding[]> {
  if ((await pendingMigrations(db)).length > 0) return []
  const missing = await missingRights(db)
  if (missing.length > 0)
    return missing.map(({ role, table, rights }) =>
      wrong(
        `${role} may not ${rights} in ${table}`,
        `psql "$DATABASE_URL" -c 'grant ${rights} on ${table} to ${role}', as the owner of the table`,
      ),
    )
  await writeAndRollBack(db)
  const [facts] = (
    await sql<{ superuser: boolean; durable: boolean }>`
      select rolsuper as superuser, current_setting('synchronous_commit') <> 'off' as durable
      from pg_catalog.pg_roles where rolname = current_user`.execute(db)
  ).rows
  const findings = [
    ...(facts?.superuser
      ? [
          warning(
            'is a superuser: row-level security, rights and ownership do not hold it back',
            'make an ordinary role that owns the database, and name that one in DATABASE_URL',
          ),
        ]
      : []),
    ...(facts?.durable === false
      ? [
          warning(
            'synchronous_commit is off: a crash of the server may lose a deletion that was acknowledged',
            'alter role … set synchronous_commit = on',
          ),
        ]
      : []),
  ]
  return findings.length > 0 ? findings : [ok('it can read and write every table of Lethe')]
}

interface MissingRights {
  role: string
  table: string
  rights: string
}

/** The data map of Lethe's own accounts names all of its tables. */
async function missingRights(db: Db): Promise<MissingRights[]> {
  const tables = Object.keys(dataMap.tables).map((name) =>
    name.includes('.') ? name : `public.${name}`,
  )
  const { rows } = await sql<MissingRights>`
    select quote_ident(current_user) as role, name as table,
      string_agg(wanted, ', ' order by wanted) as rights
    from unnest(${tables}::text[]) as name
    cross join unnest(array['select', 'insert', 'update', 'delete']) as wanted
    where not has_schema_privilege(split_part(name, '.', 1), 'usage')
      or not has_table_privilege(name, wanted)
    group by 2 order by 2`.execute(db)
  return rows
}

/** A person comes and goes, in a transaction that is never committed. */
async function writeAndRollBack(db: Db): Promise<void> {
  const transaction = await db.startTransaction().execute()
  try {
    const { id } = await transaction
      .insertInto('users')
      .values({ email: 'doctor@lethe.invalid', password_hash: '$argon2id$' })
      .returning('id')
      .executeTakeFirstOrThrow()
    const { numDeletedRows } = await transaction
      .deleteFrom('users')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    if (numDeletedRows !== 1n) throw Object.assign(new Error(), { code: 'ROW NOT REMOVED' })
  } finally {
    await transaction.rollback().execute()
  }
}
