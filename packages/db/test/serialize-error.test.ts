import { copyFile, mkdtemp, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { serializeError } from '../src/index.ts'
import { testDb } from '../testing/index.ts'

// Each error in these tests quotes this value.
const secret = '4711@example.com'

t.test('an error of the database names what failed, and no value', async (t) => {
  const { db } = await testDb(t)
  await sql
    .raw(`
    create schema shop;
    create domain shop.address as text check (value not like '%@%');
    create type shop.mood as enum ('good');
    create table shop.people (email text primary key, name varchar(3) not null, mood shop.mood,
      constraint short check (length(email) < 10), at shop.address);
    create table shop.orders (email text constraint of_person references shop.people);
    create function shop.refuses() returns trigger language plpgsql
      as 'begin raise exception ''% is taken'', new.email using errcode = ''check_violation'', hint = new.email; end';
    create table shop.guarded (email text);
    create trigger refuses before insert on shop.guarded for each row execute function shop.refuses()`)
    .execute(db)
  for (const [statement, message] of [
    [`insert into shop.orders values ('${secret}')`, '23503 on shop.orders, constraint of_person'],
    [`insert into shop.people values ('${secret}', '')`, '23514 on shop.people, constraint short'],
    [`insert into shop.people values ('a'), ('${secret}')`, '23502 on shop.people.name'],
    [`insert into shop.people values ('a', '${secret}')`, '22001'],
    [`insert into shop.people values ('a', '', '${secret}')`, '22P02'],
    [`select '${secret}'::shop.address`, '23514 on shop, type address, constraint address_check'],
    [`insert into shop.guarded values ('${secret}')`, '23514'],
    [`select '${secret}'::jsonb`, '22P02'],
    [`select "${secret}"`, '42703'],
  ] as const) {
    const line = await describe(t, sql.raw(statement).execute(db))
    t.equal(line.message, message, statement)
    t.match(line.stack, /^\s+at /)
  }
})

t.test('an error of a file names the call that failed, and no path', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const file = path.join(dir, secret)
  await writeFile(path.join(dir, 'there'), '')
  const there = path.join(dir, 'there')
  for (const [fails, message] of [
    [() => readFile(file), 'ENOENT: open'],
    [() => rmdir(path.join(there, secret)), 'ENOTDIR: rmdir'],
    [() => rename(there, path.join(file, secret)), 'ENOENT: rename'],
    [() => copyFile(there, path.join(file, secret)), 'ENOENT: copyfile'],
    [() => rm(dir), 'ERR_FS_EISDIR: rm'],
    [() => readFile(`${file}\0`), /^The argument 'path' must be .* Received '…'$/],
    [() => fail(new Error(`cannot read ${file}, try again`)), 'cannot read …, try again'],
    [async () => fail(new Error('failed', { cause: await failure(readFile(file)) })), 'failed'],
    [async () => fail(new AggregateError([await failure(readFile(file))], 'all')), 'all'],
  ] as const)
    t.match((await describe(t, fails())).message, message)
})

t.test('other errors keep their message, and its lines do not count as stack frames', async (t) => {
  const refused = new Error('connect ECONNREFUSED 127.0.0.1:5432')
  t.equal(serializeError(refused).message, refused.message)
  const url = new Error('https://s3.test/bucket answered with text/html')
  t.equal(serializeError(url).message, url.message)
  await describe(
    t,
    Promise.resolve().then(() => JSON.parse(secret)),
  )
  const lines = Object.assign(new Error(`x\n    at ${secret} (1:1)`), {
    severity: 'ERROR',
    code: '1',
  })
  await describe(t, fail(lines))
})

async function describe(t: Test, failed: Promise<unknown>) {
  const line = serializeError(await failure(failed))
  t.notMatch(JSON.stringify(line), '4711')
  return line
}

async function fail(error: Error): Promise<never> {
  throw error
}

function failure(failed: Promise<unknown>): Promise<unknown> {
  return failed.then(
    () => {
      throw new Error('it did not fail')
    },
    (error: unknown) => error,
  )
}
