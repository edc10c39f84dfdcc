import { randomBytes } from 'node:crypto'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { connect, type Db } from '../src/client.ts'
import { type Migration, readMigrations } from '../src/migrate/files.ts'
import { applyMigrations, migrate, pendingMigrations } from '../src/migrate.ts'
import { asSuperuser, emptyDb, testDb } from '../testing/index.ts'

t.test('finishes once a blocking reader ends, and names that process', async (t) => {
  const { db, url } = await testDb(t)
  const reader = await openReader(t, url, 'nightly-export')
  const lines: string[] = []
  let isDone = false
  const done = apply(db, [addColumn], lines).then((applied) => {
    isDone = true
    return applied
  })
  await until('it names what it waits for', () => /process/.test(lines.at(-1) ?? ''))
  t.match(
    lines.at(-1),
    /^Migration 9001_column waits for process \d+ \(application "nightly-export", /,
  )
  t.match(lines.at(-1), /idle in transaction, in a transaction since 20\d\d-.*Z\)$/)
  t.match(lines.at(-1), String(reader.pid))
  t.notMatch(lines.join(), /select/i, 'no query text')

  await until('no request for the lock is queued', async () => (await countWaitingLocks(db)) === 0)
  for (let round = 0; round < 20; round++)
    await db.updateTable('users').set({ display_name: 'x' }).execute()
  t.notOk(isDone)

  await reader.end()
  t.strictSame(await done, ['9001_column'])
})

t.test('gives up on a transaction that never ends, and says which one to end', async (t) => {
  const { db, url } = await testDb(t)
  const reader = await openReader(t, url, 'nightly-export')
  const waiting = { onWait: () => {}, deadline: performance.now() + 500 }
  const ours = await readMigrations()
  const error = await failure(applyMigrations(db, [...ours, addColumn], waiting))
  t.match(error.message, /^Gave up on migration 9001_column, which waits for process \d+ \(/)
  t.match(error.message, String(reader.pid))
  t.equal(await countWaitingLocks(db), 0)
})

t.test('continues after a crash between two migrations', async (t) => {
  const { db } = await testDb(t)
  const waits = { name: '9002_waits', statements: 'select pg_sleep(60)' }
  const crashed = apply(db, [addColumn, waits]).catch((error: unknown) => error)
  await until('the second migration runs', async () => (await sleeping(db)).length === 1)
  const [pid] = await sleeping(db)
  await sql`select pg_terminate_backend(${pid})`.execute(db)
  t.type(await crashed, Error)
  t.strictSame(await apply(db, [addColumn, { ...waits, statements: 'select 1' }]), ['9002_waits'])
})

t.test('rolls a failed migration back whole, and says what failed without a value', async (t) => {
  const { db } = await testDb(t)
  await db
    .insertInto('users')
    .values({ email: 'ada@example.org', password_hash: '$argon2id$' })
    .execute()
  for (const [statements, line] of [
    ['alter table users add check (length(email) < 5)', /constraint .*, SQLSTATE 23514\)\.$/],
    ['select email::int from users', /\(SQLSTATE 22P02\)\.$/],
    ['select nothing from users', /\(column "nothing" does not exist, SQLSTATE 42703\)\.$/],
  ] as const) {
    const broken = { name: '9002_broken', statements: `create table half (); ${statements}` }
    const error = await failure(apply(db, [broken]))
    t.match(
      error.message,
      /^Migration 9002_broken failed and was rolled back; those before it stay/,
    )
    t.match(error.message, line)
    t.notMatch(error.message, 'ada')
    t.strictSame((await sql`select to_regclass('public.half') as half`.execute(db)).rows, [
      { half: null },
    ])
  }
})

t.test('of two concurrent runs, one waits and then finds nothing to do', async (t) => {
  const { db, url } = await emptyDb(t)
  const other = connect(url, { max: 2 })
  t.teardown(() => other.destroy())
  const outcomes = await Promise.all([migrate(db), migrate(other)])
  const all = (await readMigrations()).map(({ name }) => name)
  t.strictSame(
    outcomes.toSorted((a, b) => a.length - b.length),
    [[], all],
  )
})

t.test('waits for a migrate of an earlier version, and for no longer than it runs', async (t) => {
  const { db, url } = await testDb(t)
  const earlier = connect(url, { max: 1 })
  // Version 0.1 takes its lock with this statement of Kysely's migrator.
  await sql`select pg_advisory_lock(3853314791062309107)`.execute(earlier)
  const lines: string[] = []
  const done = apply(db, [addColumn], lines)
  await until('it waits', () => lines.length > 0)
  t.match(lines[0], /^Waiting for another migrate: process \d+/)
  await earlier.destroy()
  t.strictSame(await done, ['9001_column'])
})

t.test('all tables go to public, whatever the search_path of the database says', async (t) => {
  const { db, url } = await emptyDb(t)
  const name = new URL(url).pathname.slice(1)
  await sql`create schema shop`.execute(db)
  await sql`alter database ${sql.id(name)} set search_path = shop, public`.execute(db)
  const shop = connect(url, { max: 2 })
  t.teardown(() => shop.destroy())
  await migrate(shop)
  const { rows } = await sql`
    select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'v') and n.nspname !~ '^(pg_|information_schema)' group by 1 order by 1`.execute(
    db,
  )
  t.strictSame(rows, [{ schema: 'lethe' }, { schema: 'public' }, { schema: 'vault' }])
  t.strictSame(await pendingMigrations(shop), [])
})

t.test(
  'rejects a role without the rights, names the statement that helps, and changes nothing',
  async (t) => {
    const { db, url } = await emptyDb(t)
    const { role, asRole } = await createOrdinaryRole(t, url)
    const all = (await readMigrations()).map(({ name }) => name)
    for (const line of [
      new RegExp(`may not create tables in the schema public: (grant .* to ${role})\\.$`),
      new RegExp(`may not create schemas in this database: (grant .* to ${role})\\.$`),
    ]) {
      const { message } = await failure(migrate(asRole))
      t.match(message, line)
      t.strictSame(await pendingMigrations(db), all)
      await sql.raw(line.exec(message)?.[1] ?? '').execute(db)
    }
    t.strictSame(await migrate(asRole), all)
    t.strictSame(await migrate(asRole), [], 'nothing is pending any more')
  },
)

t.test('names the owner of the tables to a role that does not own them', async (t) => {
  const { url } = await testDb(t)
  const { role, asRole, operator: db } = await createOrdinaryRole(t, url)
  await sql`delete from public.kysely_migration where name like '0011%'`.execute(db)
  await sql`grant select on public.kysely_migration to ${sql.id(role)}`.execute(db)
  const { message } = await failure(migrate(asRole))
  t.match(
    message,
    new RegExp(`^The tables belong to the role \\w+, and ${role} may not change them`),
  )
  await sql`grant create on schema public to ${sql.id(role)}`.execute(db)
  await sql`alter table public.kysely_migration owner to ${sql.id(role)}`.execute(db)
  t.match(
    (await failure(migrate(asRole))).message,
    /^Migration 0011_\w+ failed .* \(must be owner of .*, SQLSTATE 42501\)\.$/,
  )
})

t.test(
  'rejects a database whose earlier version created its tables in another schema',
  async (t) => {
    const { db } = await emptyDb(t)
    await sql`create schema if not exists shop; create table shop.kysely_migration (); create table shop.audit_events ();
    create table shop.deletions (); create table shop.outbox ()`.execute(db)
    t.match(
      (await failure(migrate(db))).message,
      /into the schema shop instead of public: move each/,
    )
  },
)

t.test('the tables of another app do not count as an earlier version', async (t) => {
  const { db } = await emptyDb(t)
  await sql`create schema if not exists shop; create table shop.kysely_migration (); create table shop.audit_events ()`.execute(
    db,
  )
  await migrate(db)
  await sql`create table shop.deletions (); create table shop.outbox ()`.execute(db)
  const later = { name: '9001_later', statements: 'select 1' }
  t.strictSame(await apply(db, [later]), ['9001_later'], 'nor any, beside a history in public')
})

t.test('refuses a database that a newer version has migrated', async (t) => {
  const { db } = await testDb(t)
  await sql`insert into public.kysely_migration values ('9999_newer', '2030-01-01T00:00:00.000Z')`.execute(
    db,
  )
  t.match((await failure(migrate(db))).message, /does not have: 9999_newer/)
})

t.test('a role that may not see other sessions still gets the process id', async (t) => {
  const { url } = await testDb(t)
  const { role, asRole, operator: db } = await createOrdinaryRole(t, url)
  await sql`create table public.theirs (); grant select on public.theirs to public`.execute(db)
  await sql`alter table public.theirs owner to ${sql.id(role)}`.execute(db)
  await sql`alter table public.kysely_migration owner to ${sql.id(role)}`.execute(db)
  await sql`grant create on schema public to ${sql.id(role)}`.execute(db)
  const reader = await openReader(t, url, 'nightly-export', 'theirs')
  const lines: string[] = []
  const theirs = { name: '9001_theirs', statements: 'alter table theirs add column later text' }
  const done = apply(asRole, [theirs], lines)
  await until('it names what it waits for', () => /process/.test(lines.at(-1) ?? ''))
  t.match(
    lines.at(-1),
    new RegExp(`waits for process ${reader.pid} \\(application "nightly-export", role "\\w+"\\)$`),
  )
  await reader.end()
  t.strictSame(await done, ['9001_theirs'])
})

const addColumn: Migration = {
  name: '9001_column',
  statements: 'alter table users add column later text',
}

/** Applies these migrations after the built-in ones, and collects the lines for the operator. */
async function apply(db: Db, more: Migration[], lines: string[] = []): Promise<string[]> {
  const waiting = { onWait: (line: string) => void lines.push(line), deadline: Infinity }
  return applyMigrations(db, [...(await readMigrations()), ...more], waiting)
}

/** Opens a transaction like that of an export: it has read a table, and keeps its snapshot until it ends. */
async function openReader(t: Test, url: string, name: string, table = 'users') {
  const reader = connect(url, { max: 1, settings: { application_name: name } })
  const tx = await reader.startTransaction().setIsolationLevel('repeatable read').execute()
  const end = async () => {
    if (!tx.isRolledBack) await tx.rollback().execute()
  }
  t.teardown(async () => {
    await end()
    await reader.destroy()
  })
  const { rows } = await sql<{ pid: number }>`
    select pg_backend_pid() as pid, count(*) from public.${sql.id(table)}`.execute(tx)
  return { pid: rows[0]?.pid ?? 0, end }
}

/** Counts the lock requests on relations that wait in this database. */
async function countWaitingLocks(db: Db): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from pg_locks l join pg_database d on d.oid = l.database
    where d.datname = current_database() and not l.granted`.execute(db)
  return rows[0]?.n ?? 0
}

async function sleeping(db: Db): Promise<number[]> {
  const { rows } = await sql<{ pid: number }>`
    select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`.execute(
    db,
  )
  return rows.map(({ pid }) => pid)
}

/** Creates a role that may only connect. */
async function createOrdinaryRole(t: Test, url: string) {
  const role = `ordinary_${randomBytes(6).toString('hex')}`
  const operator = asSuperuser(t, { url })
  await sql`create role ${sql.id(role)} login password 'x'`.execute(operator)
  const asRole = connect(Object.assign(new URL(url), { username: role, password: 'x' }).href)
  t.teardown(async () => {
    await asRole.destroy()
    await sql`drop owned by ${sql.id(role)} cascade`.execute(operator)
    await sql`drop role ${sql.id(role)}`.execute(operator)
  })
  return { role, asRole, operator }
}

function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => new Error('nothing failed'),
    (error: Error) => error,
  )
}
