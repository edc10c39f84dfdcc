import type { Socket } from 'node:net'
import { until } from '@lethe/machine-speed'
import { type RawBuilder, sql } from 'kysely'
import t, { type Test } from 'tap'
import { openSnapshotPool } from '../src/index.ts'
import { testDb } from '../testing/index.ts'
import { startProxy } from './start-proxy.ts'

const never = new AbortController().signal

t.test('rows of any length come whole, in pieces that end with a line', async (t) => {
  const { url } = await testDb(t)
  const readers = openSnapshotPool(url, { max: 1 })
  t.teardown(() => readers.end())
  // Sizes around those of network packets, and far larger ones.
  const lengths = [...Array(300).keys(), ...around(8_192), ...around(65_536), 5_000_000, 0]
  const queries = [rowsOf(lengths), rowsOf([]), rowsOf(lengths), rowsOf([1])]
  await readers.snapshot(never, queries, async ({ next }) => {
    t.ok((await read(t, next())).equals(expected(lengths)), 'byte for byte')
    t.equal((await read(t, next())).length, 0, 'of none there is nothing')
    t.ok((await read(t, next())).equals(expected(lengths)), 'one query after the other')
    t.ok((await read(t, next())).equals(expected([1])))
  })
})

t.test('rows come whole over a network that delivers a few bytes at a time', async (t) => {
  const { url } = await testDb(t)
  const readers = openSnapshotPool(await startSlowProxy(t, url), { max: 1 })
  t.teardown(() => readers.end())
  const lengths = [0, 1, 2, 3, 40, 5, 200, 0, 0]
  for (let times = 0; times < 3; times++)
    await readers.snapshot(never, [rowsOf(lengths), rowsOf(lengths)], async ({ next }) => {
      for (let query = 0; query < 2; query++)
        t.ok((await read(t, next())).equals(expected(lengths)))
    })
})

t.test('other messages between the rows are not rows', async (t) => {
  const { db, url } = await testDb(t)
  await sql`create function public.told(n int) returns int language plpgsql as $$
    begin raise warning 'row %', n; return n; end $$`.execute(db)
  const readers = openSnapshotPool(url, { max: 1 })
  t.teardown(() => readers.end())
  const telling = sql`select public.told(n) from generate_series(1, 1000) n`
  const text = await readers.snapshot(never, [telling], ({ next }) => read(t, next()))
  t.strictSame(
    text.toString().split('\n').slice(0, -1).map(Number),
    Array.from({ length: 1_000 }, (_, n) => n + 1),
  )
})

t.test('a statement that fails halfway rejects its reader, and the next one works', async (t) => {
  const { url } = await testDb(t)
  const readers = openSnapshotPool(url, { max: 1 })
  t.teardown(() => readers.end())
  for (const fails of [1, 3, 200_000]) {
    const failing = sql`select 1 / (n - ${fails}::int) from generate_series(1, 300000) n`
    const all = [sql`select 1`, failing, sql`select 2`, failing]
    const failed = readers.snapshot(never, all, async ({ next }) => {
      for (const _ of all) await read(t, next())
    })
    await t.rejects(failed, { code: '22012' })
  }
  const text = await readers.snapshot(never, [sql`select 1`], ({ next }) => read(t, next()))
  t.equal(text.toString(), '1\n')
})

t.test('a slow reader makes the server wait instead of filling memory', async (t) => {
  const { db, url } = await testDb(t)
  const readers = openSnapshotPool(url, { max: 1 })
  t.teardown(() => readers.end())
  const many = sql`select repeat('x', 1000) from generate_series(1, 100000)`
  await readers.snapshot(never, [many], async ({ next }) => {
    const pieces = next()[Symbol.asyncIterator]()
    let length = (await pieces.next()).value?.length ?? 0
    const waits = sql<{ waits: boolean }>`
      select wait_event = 'ClientWrite' as waits from pg_stat_activity
      where query like 'begin %' and state = 'active' and pid <> pg_backend_pid()`
    await until('the server waits', async () => (await waits.execute(db)).rows[0]?.waits)
    t.ok(length < 1_000_000, 'it waits after a little')
    for (let next = await pieces.next(); !next.done; next = await pieces.next())
      length += next.value.length
    t.equal(length, 100_000 * 1_001, 'and then all the rest comes')
  })
})

function rowsOf(lengths: number[]): RawBuilder<unknown> {
  return sql`
    select repeat(chr(97 + (n % 26)::int), length)
    from unnest(${`{${lengths.join()}}`}::int[]) with ordinality as l (length, n) order by n`
}

async function read(t: Test, copy: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of copy) pieces.push(piece)
  t.ok(
    pieces.every((piece) => piece.at(-1) === 0x0a),
    'no piece ends within a line',
  )
  return Buffer.concat(pieces)
}

function expected(lengths: number[]): Buffer {
  const line = (length: number, n: number) =>
    `${String.fromCharCode(97 + ((n + 1) % 26)).repeat(length)}\n`
  return Buffer.from(lengths.map(line).join(''))
}

function around(size: number): number[] {
  return Array.from({ length: 20 }, (_, n) => size - 10 + n)
}

/** Starts a proxy that forwards one to seven bytes at a time. */
function startSlowProxy(t: Pick<Test, 'teardown'>, target: string): Promise<string> {
  return startProxy(t, target, (near, far) => {
    near.setNoDelay()
    near.pipe(far)
    void drip(far, near).catch(() => {})
  })
}

async function drip(from: Socket, to: Socket): Promise<void> {
  for await (const chunk of from)
    for (let at = 0, size = 1; at < chunk.length; at += size, size = (size % 7) + 1) {
      to.write(chunk.subarray(at, at + size))
      await new Promise(setImmediate)
    }
}
