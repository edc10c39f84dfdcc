import { dataMap } from '@lethe/accounts'
import { markFolder, openMarkedFolders } from '@lethe/archive'
import { migrate } from '@lethe/db'
import { asSuperuser, emptyDb } from '@lethe/db/testing'
import { type RawBuilder, sql } from 'kysely'
import t from 'tap'
import { rightsByTable } from '../src/doctor/rights.ts'
import { checkRole } from '../src/doctor/role.ts'
import { healthy } from './healthy.ts'

const plan = (change: RawBuilder<unknown>, line: RegExp) => ({ change, about: 'plan', line })

for (const { change, about, line } of [
  plan(
    sql`alter table public.saved_passwords enable row level security`,
    /saved_passwords.*row.level security/i,
  ),
  plan(
    sql`
      create function public.keep() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger keep before delete on public.saved_passwords for each row execute function public.keep()`,
    /saved_passwords.*trigger/,
  ),
  plan(
    sql`create table public.notes (user_id bigint references public.users on delete cascade)`,
    /notes.*not in the (data )?map/,
  ),
])
  t.test(`reports what the worker would reject: ${line.source}`, async (t) => {
    const { db, doctor } = await healthy(t)
    await change.execute(db)
    const { code, text, faults } = await doctor()
    t.equal(code, 1)
    t.ok(faults.includes(`wrong ${about}`), text)
    t.match(text, line)
  })

t.test('names the grant that a role without write rights lacks', async (t) => {
  const { db, doctor, env } = await healthy(t)
  const url = new URL(env.DATABASE_URL)
  const role = `reader_${url.pathname.slice(1)}`
  const operator = asSuperuser(t, { url: url.href })
  await sql`create role ${sql.id(role)} login password 'x'`.execute(operator)
  t.teardown(async () => {
    await sql`drop owned by ${sql.id(role)}`.execute(operator)
    await sql`drop role ${sql.id(role)}`.execute(operator)
  })
  await sql`grant select on all tables in schema public to ${sql.id(role)}`.execute(db)
  const DATABASE_URL = Object.assign(url, { username: role, password: 'x' }).href
  const { code, text, faults } = await doctor({ DATABASE_URL })
  t.equal(code, 1)
  t.ok(faults.includes('wrong role'), text)
  t.match(
    text,
    /may not delete, insert, update in public\.users\n +→ .*grant delete, insert, update on/,
  )
})

t.test(
  'reports every missing right on every table, and usage of a schema separately',
  async (t) => {
    const { db, doctor, env } = await healthy(t)
    const { rows } = await sql<{ name: string }>`
    select relnamespace::regnamespace || '.' || relname as name from pg_catalog.pg_class
    where relnamespace::regnamespace::text in ('public', 'vault', 'lethe') and relkind in ('r', 'v')`.execute(
      db,
    )
    t.same(new Set(rows.map(({ name }) => name)), new Set(Object.keys(rightsByTable)))

    const operator = asSuperuser(t, { url: env.DATABASE_URL })
    const role = sql.id(new URL(env.DATABASE_URL).username)
    await sql`revoke all on all tables in schema public, vault, lethe from ${role}`.execute(
      operator,
    )
    await sql`grant select on public.kysely_migration to ${role}`.execute(operator)
    await sql`revoke usage on schema vault from ${role}`.execute(operator)
    const { text } = await doctor()
    t.match(text, /may not use schema vault\n +→ .*'grant usage on schema vault to /)
    for (const [table, rights] of Object.entries(rightsByTable)) {
      if (table === 'public.kysely_migration') continue
      t.match(text, `may not ${rights.toSorted().join(', ')} in ${table}\n`)
      await sql`grant ${sql.raw(rights.join(', '))} on ${sql.table(table)} to ${role}`.execute(
        operator,
      )
    }
    await sql`grant usage on schema vault to ${role}`.execute(operator)
    const { code, text: healed } = await doctor()
    t.equal(code, 0, healed)
  },
)

t.test('reports no missing rights on the users of a database without them', async (t) => {
  const { db } = await emptyDb(t)
  await migrate(db, { withoutUsers: true })
  const findings = await checkRole({ db })
  t.notOk(
    findings.some(({ grade }) => grade === 'wrong'),
    JSON.stringify(findings),
  )
})

t.test('warns about asynchronous commits and about a superuser', async (t) => {
  const { db, doctor, env } = await healthy(t)
  const { pathname } = new URL(env.DATABASE_URL)
  await sql`alter database ${sql.id(pathname.slice(1))} set synchronous_commit = off`.execute(db)
  const server = process.env.TEST_ADMIN_URL ?? process.env.TEST_DATABASE_URL ?? ''
  const DATABASE_URL = Object.assign(new URL(server), { pathname }).href
  const { code, text } = await doctor({ DATABASE_URL })
  t.equal(code, 0)
  t.match(text, /^warning +role +synchronous_commit is off/m)
  t.match(text, /^warning +role +is a superuser/m)
})

t.test('warns about https without TRUST_PROXY', async (t) => {
  const { doctor } = await healthy(t)
  const { code, faults } = await doctor({ TRUST_PROXY: '' })
  t.equal(code, 0)
  t.ok(faults.includes('warning TRUST_PROXY'))
})

t.test('session defaults that Lethe overrides are ok', async (t) => {
  const { db, doctor } = await healthy(t)
  const [row] = (await sql<{ name: string }>`select current_database() as name`.execute(db)).rows
  for (const setting of ['search_path = app', "datestyle = 'German'", "timezone = 'Europe/Berlin'"])
    await sql.raw(`alter database ${row?.name} set ${setting}`).execute(db)
  t.equal((await doctor()).code, 0)
})

t.test('reports an unusable database in one line', async (t) => {
  const { db, doctor, env } = await healthy(t)
  const { pathname } = new URL(env.DATABASE_URL)
  await sql`alter database ${sql.id(pathname.slice(1))} set default_transaction_read_only = on`.execute(
    db,
  )
  t.match(await doctor(), { code: 1, faults: ['wrong database'], text: /is read-only/ })

  const server = asSuperuser(t, { url: new URL('/postgres', env.DATABASE_URL).href })
  const latin = `${pathname.slice(1)}_latin1`
  await sql`create database ${sql.id(latin)} encoding 'LATIN1' locale 'C' template template0`.execute(
    server,
  )
  t.teardown(() => sql`drop database ${sql.id(latin)} with (force)`.execute(server))
  const DATABASE_URL = Object.assign(new URL(env.DATABASE_URL), { pathname: latin }).href
  t.match(await doctor({ DATABASE_URL }), { code: 1, faults: ['wrong database'], text: /LATIN1/ })
})

t.test('reports folders of another database, with the command that binds them', async (t) => {
  const { doctor } = await healthy(t)
  const other = await healthy(t)
  const db = other.db
  const folders = openMarkedFolders({
    exportDir: other.env.EXPORT_DIR,
    uploadDir: other.env.UPLOAD_DIR,
  })
  for (const folder of folders) t.match(await markFolder(db, folder, dataMap), { is: 'ours' })
  const { EXPORT_DIR, UPLOAD_DIR } = other.env
  const { code, text, faults } = await doctor({ EXPORT_DIR, UPLOAD_DIR })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong folders', 'wrong folders'] })
  t.match(text, /UPLOAD_DIR belongs to another database.*\n +→ .*folders claim/)
  t.strictSame((await other.doctor()).faults, [])
})
