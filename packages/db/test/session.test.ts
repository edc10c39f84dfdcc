import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  connect,
  DatabaseReadOnlyError,
  isUnavailable,
  openClient,
  openPool,
  openSnapshotPool,
  UnusableDatabaseError,
} from '../src/index.ts'
import { findServerFault } from '../src/session.ts'
import { testDb } from '../testing/index.ts'
import { startProxy } from './start-proxy.ts'

/** Each value differs as much from the needed one as a role, a database or a URL can make it. */
const hostile = {
  timezone: 'Europe/Berlin',
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  search_path: 'app, public',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  row_security: 'on',
  statement_timeout: '2s',
  lock_timeout: '7ms',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '9s',
  client_encoding: 'LATIN1',
  standard_conforming_strings: 'off',
}

const ours = {
  timezone: 'UTC',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  search_path: '',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '1min',
  idle_session_timeout: '0',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
}

t.test('sets its session, whatever database, role and URL have set', async (t) => {
  const { db, url } = await testDb(t)
  await makeHostile(t, db, url)
  const inUrl = new URL(url)
  inUrl.searchParams.set(
    'options',
    Object.entries(hostile)
      .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
      .join(' '),
  )
  for (const address of [url, inUrl.href]) {
    const pool = openPool(address, {})
    t.teardown(() => pool.end())
    t.strictSame(await settingsOf((text) => pool.query(text)), ours)

    const client = await openClient(address)
    t.teardown(() => client.end())
    t.strictSame(await settingsOf((text) => client.query(text)), ours)

    const queue = openPool(address, { searchPath: 'bullmq', statementTimeout: 1_500 })
    t.teardown(() => queue.end())
    t.strictSame(await settingsOf((text) => queue.query(text)), {
      ...ours,
      search_path: 'bullmq',
      statement_timeout: '1500ms',
    })

    const readers = openSnapshotPool(address, { max: 1 })
    t.teardown(() => readers.end())
    const dates = sql`select timestamptz '2026-07-01 12:00:00+02' as at, bytea '\\x00ff' as bytes, 0.1::float8 as number`
    const signal = new AbortController().signal
    await readers.snapshot(signal, [dates], async ({ next }) => {
      let text = ''
      for await (const piece of next()) text += piece
      t.equal(text, '2026-07-01 10:00:00+00\t\\\\x00ff\t0.1\n')
    })
  }
})

t.test('the search path of a role does not redirect names', async (t) => {
  const { db, url } = await testDb(t)
  await sql`create schema evil`.execute(db)
  await sql
    .raw(
      `create function evil.set_config(text, text, boolean) returns text return 'evil';
       create function evil.current_setting(text) returns text return 'evil';
       create function evil.pg_backend_pid() returns integer return 1;
       create function evil.unnest(text[]) returns setof text begin atomic select 'evil'; end;`,
    )
    .execute(db)
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db)
  await sql`alter database ${sql.id(rows[0]?.name ?? '')} set search_path = evil, pg_catalog`.execute(
    db,
  )
  const other = connect(url, { max: 1 })
  t.teardown(() => other.destroy())
  t.match(await sql`select current_setting('search_path') as path`.execute(other), {
    rows: [{ path: '' }],
  })
})

t.test('says in one line what a server lacks', async (t) => {
  const fine = { version: 180_004, encoding: 'UTF8', replicationRole: 'origin', readOnly: 'off' }
  t.equal(findServerFault(fine), undefined)
  for (const [lack, message] of [
    [{ version: 140_022 }, /^DATABASE_URL leads to PostgreSQL 14: upgrade it to PostgreSQL 15/],
    [{ encoding: 'LATIN1' }, /is encoded in LATIN1, .*: make one with: create database/],
    [{ replicationRole: 'replica' }, /no trigger fires: alter role/],
    [{ readOnly: 'on' }, /is read-only/],
  ] as const)
    t.match(findServerFault({ ...fine, ...lack })?.message, message)
})

t.test('refuses a database that is not UTF8, and one where no trigger fires', async (t) => {
  const { db, url } = await testDb(t)
  const latin = `test_${randomBytes(6).toString('hex')}`
  await sql`create database ${sql.id(latin)} encoding 'LATIN1' locale 'C' template template0`.execute(
    db,
  )
  t.teardown(() => sql`drop database ${sql.id(latin)} with (force)`.execute(db))
  const inLatin = new URL(url)
  inLatin.pathname = latin
  const asReplica = new URL(url)
  asReplica.searchParams.set('options', '-c session_replication_role=replica')
  for (const address of [inLatin, asReplica]) {
    const other = connect(address.href, { max: 1 })
    t.teardown(() => other.destroy())
    const error = await sql`select 1`.execute(other).then(
      () => undefined,
      (reason) => reason,
    )
    t.ok(error instanceof UnusableDatabaseError, error?.message)
    t.notOk(isUnavailable(error))
  }
})

t.test('rejects a read-only connection, and works again once it is writable', async (t) => {
  const { db, url } = await testDb(t)
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db)
  const name = sql.id(rows[0]?.name ?? '')
  const other = connect(url, { max: 1 })
  t.teardown(() => other.destroy())
  await sql`alter database ${name} set default_transaction_read_only = on`.execute(db)
  const error = await sql`select 1`.execute(other).then(
    () => undefined,
    (reason) => reason,
  )
  t.ok(error instanceof DatabaseReadOnlyError)
  t.ok(isUnavailable(error))
  await sql`alter database ${name} reset default_transaction_read_only`.execute(db)
  t.match(await sql`select 1 as one`.execute(other), { rows: [{ one: 1 }] })
})

t.test('the wait ends if the server stops responding while the session is set', async (t) => {
  const { url } = await testDb(t)
  const ready = Buffer.from('Z\0\0\0\x05I', 'latin1')
  const silent = await startProxy(t, url, (near, far) => {
    let loggedIn = false
    near.on('data', (chunk) => far.write(chunk))
    far.on('data', (chunk: Buffer) => {
      if (!loggedIn) near.write(chunk)
      loggedIn ||= chunk.includes(ready)
    })
  })
  const other = connect(silent, { max: 1, timeoutMs: 500 })
  t.teardown(() => other.destroy())
  const error = await sql`select 1`.execute(other).then(
    () => undefined,
    (reason) => reason,
  )
  t.ok(isUnavailable(error), error?.message)
})

async function makeHostile(t: Test, db: ReturnType<typeof connect>, url: string): Promise<void> {
  const { rows } = await sql<{ name: string; role: string }>`
    select current_database() as name, current_user as role`.execute(db)
  const { name = '', role = '' } = rows[0] ?? {}
  await sql`create schema app`.execute(db)
  for (const [setting, value] of Object.entries(hostile))
    for (const whose of [
      sql`database ${sql.id(name)}`,
      sql`role ${sql.id(role)} in database ${sql.id(name)}`,
    ])
      await sql`alter ${whose} set ${sql.raw(setting)} = ${sql.raw(listOrText(setting, value))}`.execute(
        db,
      )
  const plain = new URL(url)
  t.equal(plain.pathname, `/${name}`)
}

const listOrText = (setting: string, value: string) =>
  setting === 'search_path' ? value : `'${value}'`

async function settingsOf(
  query: (text: string) => Promise<{ rows: Record<string, string>[] }>,
): Promise<Record<string, string>> {
  const each = Object.keys(ours).map((name) => `current_setting('${name}') as ${name}`)
  const { rows } = await query(`select ${each.join(', ')}`)
  return rows[0] ?? {}
}
