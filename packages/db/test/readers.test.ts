import { once } from 'node:events'
import { type AddressInfo, connect as connectTo, createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { connectReaders, type Snapshot } from '../src/index.ts'
import { testDb } from '../src/testing.ts'

const never = new AbortController().signal

t.test('rows of any length come whole, in pieces that end with a line', async (t) => {
  const { url } = await testDb(t)
  const readers = connectReaders(url, { max: 1 })
  t.teardown(() => readers.end())
  // Around the sizes in which a network hands them over, and far beyond.
  const lengths = [...Array(300).keys(), ...around(8_192), ...around(65_536), 5_000_000, 0]
  await readers.snapshot(never, async (snapshot) => {
    const rows = await read(t, snapshot, lengths)
    t.ok(rows.equals(expected(lengths)), 'byte for byte')
    t.equal((await read(t, snapshot, [])).length, 0, 'and of none there is nothing')
  })
})

t.test('so they do by a network that hands over a few bytes at a time', async (t) => {
  const { url } = await testDb(t)
  const readers = connectReaders(await dripping(t, url), { max: 1 })
  t.teardown(() => readers.end())
  const lengths = [0, 1, 2, 3, 40, 5, 200, 0, 0]
  await readers.snapshot(never, async (snapshot) => {
    for (let times = 0; times < 3; times++)
      t.ok((await read(t, snapshot, lengths)).equals(expected(lengths)))
  })
})

t.test('what the server says between the rows is no row', async (t) => {
  const { db, url } = await testDb(t)
  await sql`create function told(n int) returns int language plpgsql as $$
    begin raise warning 'row %', n; return n; end $$`.execute(db)
  const readers = connectReaders(url, { max: 1 })
  t.teardown(() => readers.end())
  const text = await readers.snapshot(never, ({ copy }) =>
    collect(copy(sql`select told(n) from generate_series(1, 1000) n`)),
  )
  t.strictSame(
    text.toString().split('\n').slice(0, -1).map(Number),
    Array.from({ length: 1_000 }, (_, n) => n + 1),
  )
})

t.test(
  'a statement that fails on its way fails whoever reads, and the next one works',
  async (t) => {
    const { url } = await testDb(t)
    const readers = connectReaders(url, { max: 1 })
    t.teardown(() => readers.end())
    for (const fails of [1, 3, 200_000]) {
      const failed = readers.snapshot(never, ({ copy }) =>
        collect(copy(sql`select 1 / (n - ${fails}::int) from generate_series(1, 300000) n`)),
      )
      await t.rejects(failed, { code: '22012' })
    }
    const text = await readers.snapshot(never, ({ copy }) => collect(copy(sql`select 1`)))
    t.equal(text.toString(), '1\n')
  },
)

t.test('whoever reads slowly has the server wait, and no more is held', async (t) => {
  const { db, url } = await testDb(t)
  const readers = connectReaders(url, { max: 1 })
  t.teardown(() => readers.end())
  await readers.snapshot(never, async ({ copy }) => {
    const rows = copy(sql`select repeat('x', 1000) from generate_series(1, 100000)`)
    const pieces = rows[Symbol.asyncIterator]()
    let length = (await pieces.next()).value?.length ?? 0
    const waits = sql<{ waits: boolean }>`
      select wait_event = 'ClientWrite' as waits from pg_stat_activity
      where query like 'copy (%' and state = 'active' and pid <> pg_backend_pid()`
    while (!(await waits.execute(db)).rows[0]?.waits);
    t.ok(length < 1_000_000, 'it waits after a little')
    for (let next = await pieces.next(); !next.done; next = await pieces.next())
      length += next.value.length
    t.equal(length, 100_000 * 1_001, 'and then all the rest comes')
  })
})

async function read(t: Test, { copy }: Snapshot, lengths: number[]): Promise<Buffer> {
  const pieces: Buffer[] = []
  const rows = copy(sql`
    select repeat(chr(97 + (n % 26)::int), length)
    from unnest(${`{${lengths.join()}}`}::int[]) with ordinality as l (length, n) order by n`)
  for await (const piece of rows) pieces.push(Buffer.from(piece))
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

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

function around(size: number): number[] {
  return Array.from({ length: 20 }, (_, n) => size - 10 + n)
}

/** What the server says comes by one to seven bytes. */
async function dripping(t: Pick<Test, 'teardown'>, target: string): Promise<string> {
  const { hostname, port } = new URL(target)
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connectTo(Number(port), hostname)
    near.setNoDelay()
    sockets.push(near, far)
    near.on('error', () => {}).pipe(far)
    far.on('error', () => {}).on('close', () => near.destroy())
    void (async () => {
      for await (const chunk of far)
        for (let at = 0, size = 1; at < chunk.length; at += size, size = (size % 7) + 1) {
          near.write(chunk.subarray(at, at + size))
          await new Promise(setImmediate)
        }
    })().catch(() => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(target)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return url.href
}
