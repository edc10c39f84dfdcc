import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { connect, type Db, pendingMigrations } from '@lethe/db'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { checks } from '../src/doctor/checks.ts'
import { checkClocks } from '../src/doctor/clocks.ts'
import { weaknessOf } from '../src/doctor/secret-key.ts'
import { asProcess } from './as-process.ts'
import { healthy } from './healthy.ts'
import { muteServer } from './mute-server.ts'

const withFaketime =
  spawnSync('faketime', ['--version']).status === 0 ? {} : { skip: 'no faketime on this machine' }

t.test('in a healthy environment every check is ok and the exit code is 0', async (t) => {
  const { doctor, env } = await healthy(t)
  const { code, text, faults } = await doctor()
  t.strictSame({ code, faults }, { code: 0, faults: [] })
  for (const about of ['settings', 'database', ...checks.map(({ about }) => about)])
    t.match(text, new RegExp(`^ok +${about}  +\\S`, 'm'))
  t.match(text, /^ok +settings +the breaker holds what is beyond 20 deletions/m)
  t.notMatch(text, 'Skipped because')
  const alone = await asProcess(env)
  t.strictSame([alone.code, alone.faults], [0, []])
})

t.test('leaves nothing behind in the database and the folders, and sends no mail', async (t) => {
  const { db, doctor, folder, smtp } = await healthy(t)
  await db.deleteFrom('secret_key_check').execute()
  const before = await contents(db)
  t.strictSame((await doctor()).faults, [])
  t.equal(await contents(db), before)
  t.strictSame(await readdir(folder, { recursive: true }), ['exports', 'uploads'])
  t.strictSame(smtp.heard, ['MAIL no-reply@lethe.test'])
})

t.test('reports a setting that cannot be read, and runs all other checks', async (t) => {
  const { doctor } = await healthy(t)
  for (const [name, value] of [
    ['SMTP_URL', ''],
    ['SMTP_URL', 'http://ada:hunter2@127.0.0.1'],
    ['SECRET_KEY', ''],
    ['SECRET_KEY', 'hunter2'],
    ['DATABASE_URL', ''],
    ['DATABASE_URL', 'mysql://ada:hunter2@127.0.0.1/lethe'],
    ['REDIS_URL', 'redis+sentinel://ada:hunter2@127.0.0.1'],
    ['MAIL_FROM', 'hunter2@lethe.test, ada@lethe.test'],
    ['GRACE_PERIOD', '27'],
    ['EXPORT_TTL', 'P1M'],
    ['SESSION_TTL', 'P500D'],
    ['REAUTHENTICATION_WINDOW', '15'],
    ['SESSION_COOKIE_NAME', 'a b'],
    ['PUBLIC_URL', 'https://ada:hunter2@lethe.test'],
    ['PORT', '80a'],
    ['WORKER_PORT', '80a'],
    ['ALLOWED_ORIGINS', 'app.example'],
    ['TRUST_PROXY', '10.0.0.300'],
    ['ERASE_AT_ONCE_FLOOR', '1e3'],
    ['ERASE_AT_ONCE_SHARE', '10%'],
    ['RATE_LIMITS', 'maybe'],
    ['LOG_LEVEL', 'loud'],
  ] as const) {
    const { code, text, faults } = await doctor({ [name]: value })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong settings'] }, `${name}=${value}`)
    t.match(text, new RegExp(`^wrong +settings +${name} .*; it takes`, 'm'))
    t.match(text, new RegExp(`→ set ${name} `))
    t.match(text, /^ok +EXPORT_DIR/m)
    t.notMatch(text, /hunter2|ada/)
  }
  // PUBLIC_URL defaults to PORT; the doctor reports it once.
  t.strictSame((await doctor({ PUBLIC_URL: '', PORT: '80a' })).faults, ['wrong settings'])
})

t.test('reports all failures at once, and lists the skipped checks in one line', async (t) => {
  const { doctor } = await healthy(t)
  const result = await doctor({ DATABASE_URL: '', SECRET_KEY: '', GRACE_PERIOD: 'P31D' })
  t.strictSame(result.faults, ['wrong settings', 'wrong settings', 'wrong GRACE_PERIOD'])
  t.match(
    result.text,
    /^Skipped because of the failures above: database, migrations, role, plan, foreign keys, clocks, SECRET_KEY, SECRET_KEY fits, folders\.$/m,
  )
  t.match(result.text, /^Wrong: 3, warnings: 0\.$/m)
})

t.test('reports a database that does not answer or rejects the log-in once', async (t) => {
  const { doctor, env } = await healthy(t)
  const url = (changes: Partial<URL>) => Object.assign(new URL(env.DATABASE_URL), changes).href
  const mute = await muteServer(t)
  for (const [changes, line] of [
    [{ port: '1' }, /does not answer \(ECONNREFUSED\)/],
    [{ host: `127.0.0.1:${mute}` }, /does not answer/],
    [{ pathname: 'lethe_nowhere' }, /does not exist on this server/],
    [{ username: 'hunter2' }, /refuses the log-in \(28/],
  ] as const) {
    const { code, text, faults } = await doctor({ DATABASE_URL: url(changes) })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong database'] })
    t.match(text, line)
    t.match(
      text,
      /^Skipped because .*: migrations, role, plan, foreign keys, clocks, SECRET_KEY fits, folders\.$/m,
    )
    t.notMatch(text, /hunter2|lethe_nowhere/)
  }
})

t.test('pending migrations are named', async (t) => {
  const { db, doctor } = await healthy(t)
  const [last] = (
    await sql<{ name: string }>`
      delete from public.kysely_migration where name = (select max(name) from public.kysely_migration) returning name
    `.execute(db)
  ).rows
  t.strictSame(await pendingMigrations(db), [last?.name])
  const { code, text, faults } = await doctor()
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong migrations'] })
  t.match(text, new RegExp(`pending: ${last?.name}\\n +→ pnpm migrate$`, 'm'))
})

t.test('reports only pending migrations for an empty database', async (t) => {
  const { db, doctor } = await healthy(t)
  await sql`drop schema public, vault cascade; create schema public; grant usage on schema public to public`.execute(
    db,
  )
  t.strictSame((await doctor()).faults, ['wrong migrations'])
})

t.test('reports a foreign key to users without an index, with the index to create', async (t) => {
  const { db, doctor } = await healthy(t)
  await sql`
    create schema "Shop";
    create table "Shop".orders (id bigint primary key, buyer bigint references public.users on delete cascade);
  `.execute(db)
  const { text, faults } = await doctor()
  t.strictSame(beside('wrong plan', faults), ['wrong foreign keys'])
  t.match(text, /"Shop"\.orders \(buyer\) leads to users and has no index/)
  const [, remedy] = /-c '(create index .*)'/.exec(text) ?? []
  await sql.raw(remedy ?? '').execute(db)
  t.strictSame(beside('wrong plan', (await doctor()).faults), [])
})

t.test('accepts an index for a foreign key only if it finds all rows of a user', async (t) => {
  const { db, doctor } = await healthy(t)
  await sql`
    alter table public.users add unique (id, email);
    create table public.visits (id bigint primary key, user_id bigint, email text, foreign key (user_id, email) references public.users (id, email));
  `.execute(db)
  for (const [index, serves] of [
    ['create index visits_key on public.visits (id, user_id, email)', false],
    ['create index visits_key on public.visits (user_id)', false],
    ['create index visits_key on public.visits (user_id) include (email)', false],
    ['create index visits_key on public.visits (user_id, email) where id > 7', false],
    ['create index visits_key on public.visits (user_id, (lower(email)))', false],
    ['create index visits_key on public.visits using brin (user_id, email)', false],
    ['create index visits_key on public.visits (email, user_id, id)', true],
    ['create unique index visits_key on public.visits (user_id, email)', true],
  ] as const) {
    await sql.raw(`drop index if exists public.visits_key; ${index}`).execute(db)
    const { faults, text } = await doctor()
    t.strictSame(beside('wrong plan', faults), serves ? [] : ['wrong foreign keys'], index)
    if (!serves) t.match(text, /public\.visits \(user_id, email\)/)
  }
  await sql`update pg_index set indisvalid = false where indexrelid = 'public.visits_key'::regclass`.execute(
    db,
  )
  const { faults } = await doctor()
  t.strictSame(beside('wrong plan', faults), ['wrong foreign keys'], 'one that was never finished')
})

t.test('reports keys to rows that are deleted with a user, and keys of partitions', async (t) => {
  const { db, doctor } = await healthy(t)
  await sql`
    create table public.clicks (session uuid references public.sessions on delete cascade);
    create table public.depths (deletion uuid references public.deletions);
    create table public.visits (user_id bigint references public.users on delete cascade) partition by list (user_id);
    create table public.visits_1 partition of public.visits for values in (1);
    create table public.visits_2 partition of public.visits for values in (2);
    create index on public.visits_1 (user_id);
  `.execute(db)
  const { faults, text } = await doctor()
  t.strictSame(beside('wrong plan', faults), ['wrong foreign keys', 'wrong foreign keys'])
  t.match(text, /public\.clicks \(session\)/)
  t.match(text, /public\.visits_2 \(user_id\)/)
})

t.test('reports clocks more than two seconds apart, and which one is ahead', async (t) => {
  const { db, env } = await healthy(t)
  await sql`create schema odd; grant usage on schema odd to public`.execute(db)
  const odd = withClock(t, env)
  for (const [offset, line] of [
    ['1.5 s', undefined],
    ['-1.5 s', undefined],
    ['2.5 s', /this machine is [23]\.\d s behind the database/],
    ['-2.5 s', /this machine is [23]\.\d s ahead of the database/],
    ['-1 day', /this machine is 86400\.\d s ahead of the database/],
  ] as const) {
    await sql
      .raw(
        `create or replace function odd.clock_timestamp() returns timestamptz
         return pg_catalog.clock_timestamp() + interval '${offset}'`,
      )
      .execute(db)
    const [finding] = await checkClocks({ db: odd })
    t.equal(finding?.grade, line ? 'wrong' : 'ok')
    if (line) t.match(finding?.text, line)
  }
})

t.test('does not mistake a slow connection for a wrong clock', async (t) => {
  const { db, env } = await healthy(t)
  await sql`
    create schema odd;
    grant usage on schema odd to public;
    create function odd.clock_timestamp() returns timestamptz language plpgsql as $$
    declare now timestamptz := pg_catalog.clock_timestamp() - interval '1.7 s';
    begin
      perform pg_sleep(0.8);
      return now;
    end $$;
  `.execute(db)
  const [finding] = await checkClocks({ db: withClock(t, env) })
  t.equal(finding?.grade, 'ok')
})

t.test('reports a machine with a wrong clock', withFaketime, async (t) => {
  const { env } = await healthy(t)
  const { code, text, faults } = await asProcess(env, ['faketime', '-f', '+5s'])
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong clocks'] })
  t.match(text, /this machine is [45]\.\d s ahead of the database/)
})

t.test('reports folders that cannot be written', async (t) => {
  const { doctor, folder } = await healthy(t)
  await writeFile(path.join(folder, 'file'), '')
  // A mode would not do: root ignores it.
  for (const place of ['/proc', '/proc/lethe', path.join(folder, 'file', 'below')])
    for (const variable of ['EXPORT_DIR', 'UPLOAD_DIR']) {
      const { code, text, faults } = await doctor({ [variable]: place })
      t.strictSame({ code, faults }, { code: 1, faults: [`wrong ${variable}`] }, place)
      t.match(text, `"${place}" cannot be written`)
    }
})

t.test('reports folders that other users can open, and warns about the group', async (t) => {
  const { doctor, env } = await healthy(t)
  for (const [mode, grade] of [
    [0o755, 'wrong'],
    [0o701, 'wrong'],
    [0o704, 'wrong'],
    [0o750, 'warning'],
    [0o700, undefined],
  ] as const)
    for (const variable of ['EXPORT_DIR', 'UPLOAD_DIR'] as const) {
      await chmod(env[variable], mode)
      const { code, text, faults } = await doctor()
      t.equal(code, grade === 'wrong' ? 1 : 0)
      t.strictSame(faults, grade ? [`${grade} ${variable}`] : [])
      if (grade) t.match(text, `mode 0${mode.toString(8)}`)
      await chmod(env[variable], 0o700)
    }
})

t.test(
  'a missing folder is ok if it can be created, and the doctor does not create it',
  async (t) => {
    const { doctor, folder } = await healthy(t)
    const above = path.join(folder, 'above')
    await mkdir(above, { mode: 0o700 })
    const result = await doctor({ EXPORT_DIR: path.join(above, 'a/b/c') })
    t.match(result, { code: 0, text: /does not exist yet and can be created/ })
    t.strictSame(await readdir(above), [])
    await rmdir(above)
  },
)

t.test('reports a grace period beyond one calendar month', async (t) => {
  const { doctor } = await healthy(t)
  for (const [period, faults] of [
    ['P31D', ['wrong GRACE_PERIOD']],
    ['P28DT1S', ['wrong GRACE_PERIOD']],
    ['PT696H', ['wrong GRACE_PERIOD']],
    ['P28D', []],
    ['PT0S', []],
  ] as const)
    t.strictSame((await doctor({ GRACE_PERIOD: period })).faults, faults, period)
})

t.test('reports a SECRET_KEY that a person made up', async (t) => {
  const { db, doctor } = await healthy(t)
  await db.deleteFrom('secret_key_check').execute()
  const bytes = (make: (at: number) => number) =>
    Buffer.from(Array.from({ length: 32 }, (_, at) => make(at)))
  for (const [key, weakness] of [
    ['A'.repeat(43), 'repeats itself'],
    [bytes(() => 7).toString('base64url'), 'repeats itself'],
    [Buffer.from('this is a secret of 32 bytes or more').toString('base64url'), 'readable text'],
    ['changemechangemechangemechangemechangemechangeme', 'repeats itself'],
    ['this-is-my-secret-key-do-not-tell-anybody-of-it', 'words'],
    ['Password123Password123Password123Password123', 'repeats itself'],
    [bytes((at) => (at * at * 37) % 11).toString('base64url'), 'few different bytes'],
  ] as const) {
    const { code, text, faults } = await doctor({ SECRET_KEY: key })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong SECRET_KEY'] }, key)
    t.match(text, new RegExp(`is weak: .*${weakness}`))
    t.notMatch(text, key)
  }
})

t.test('accepts every random key in any encoding', async (t) => {
  const keys = Array.from({ length: 10_000 }, () => randomBytes(32))
  const digits = keys.map((key) => Buffer.from(key.toString('hex'), 'base64url'))
  t.strictSame([...keys, ...digits].map(weaknessOf).filter(Boolean), [])
})

t.test('reports a SECRET_KEY of another database', async (t) => {
  const { doctor } = await healthy(t)
  const SECRET_KEY = randomBytes(32).toString('base64url')
  const { code, text, faults } = await doctor({ SECRET_KEY })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong SECRET_KEY fits'] })
  t.notMatch(text, SECRET_KEY)
})

t.test('links without TLS are only a warning in production', async (t) => {
  const { doctor } = await healthy(t)
  const PUBLIC_URL = 'http://lethe.test'
  t.strictSame((await doctor({ PUBLIC_URL })).faults, [])
  const { code, faults } = await doctor({ PUBLIC_URL, NODE_ENV: 'production' })
  t.strictSame({ code, faults }, { code: 0, faults: ['warning SMTP', 'warning PUBLIC_URL'] })
})

t.test('a check that throws is a finding, and the others run', async (t) => {
  const { db, doctor } = await healthy(t)
  await sql`alter table public.kysely_migration rename column name to hunter2`.execute(db)
  t.match(await doctor(), {
    code: 1,
    text: /^wrong +migrations +could not be checked \(42703\)$/m,
  })
})

/** Without this finding: the plan reports tables that the data map lacks, too. */
function beside(fault: string, faults: string[]): string[] {
  return faults.filter((one) => one !== fault)
}

/** A connection that uses `odd.clock_timestamp()` as the clock of the database. */
function withClock(t: Test, { DATABASE_URL }: Record<'DATABASE_URL', string>): Db {
  const db = connect(DATABASE_URL, { max: 1, searchPath: 'odd, pg_catalog' })
  t.teardown(() => db.destroy())
  return db
}

/** Every row of every table. */
async function contents(db: Db): Promise<string | undefined> {
  const { rows } = await sql<{ xml: string }>`
    select string_agg(schema_to_xml(nspname, true, true, '')::text, '' order by nspname) as xml
    from pg_namespace where nspname in ('public', 'vault', 'lethe')`.execute(db)
  return rows[0]?.xml
}
