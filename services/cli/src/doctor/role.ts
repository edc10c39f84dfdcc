import { type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'
import { type Finding, ok, warning, wrong } from './finding.ts'
import { rightsByTable } from './rights.ts'

/** Checks that the role of DATABASE_URL has every right it needs, and no dangerous ones. */
export async function checkRole({ db }: { db: Db }): Promise<Finding[]> {
  if ((await pendingMigrations(db)).length > 0) return []
  const missing = await missingRights(db)
  if (missing.length > 0)
    return missing.map(({ role, place, rights }) =>
      wrong(
        `${role} may not ${rights === 'usage' ? 'use' : `${rights} in`} ${place}`,
        `psql "$DATABASE_URL" -c 'grant ${rights} on ${place} to ${role}', as the owner`,
      ),
    )
  const [facts] = (
    await sql<{ superuser: boolean; durable: boolean; users: boolean }>`
      select rolsuper as superuser, current_setting('synchronous_commit') <> 'off' as durable,
        to_regclass('public.users') is not null as users
      from pg_catalog.pg_roles where rolname = current_user`.execute(db)
  ).rows
  if (facts?.users) await writeAndRollBack(db)
  const findings = [
    ...(facts?.superuser
      ? [
          warning(
            'is a superuser: row-level security, rights and ownership do not restrict it',
            'create an ordinary role that owns the database, and name it in DATABASE_URL',
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
  /** `schema …` or a table. */
  place: string
  rights: string
}

/** Reads the catalog, so that a table that does not exist (`migrate --without-users`) is not reported. */
async function missingRights(db: Db): Promise<MissingRights[]> {
  const { rows } = await sql<MissingRights>`
    with wanted as (
      select n.oid as schema, n.nspname, c.oid as relation, w.name, w.rights
      from jsonb_each(${JSON.stringify(rightsByTable)}::jsonb) as w (name, rights)
      join pg_catalog.pg_namespace n on n.nspname = split_part(w.name, '.', 1)
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = split_part(w.name, '.', 2)
    )
    select distinct quote_ident(current_user) as role, 'schema ' || nspname as place, 'usage' as rights
    from wanted where not has_schema_privilege(schema, 'usage')
    union all
    select quote_ident(current_user), name, string_agg(wanted_right, ', ' order by wanted_right)
    from wanted cross join jsonb_array_elements_text(rights) as wanted_right
    where not has_table_privilege(relation, wanted_right)
    group by name order by place`.execute(db)
  return rows
}

/** Inserts and deletes a user in a transaction that is rolled back. */
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
