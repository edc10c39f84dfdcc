import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { sql } from 'kysely'
import t from 'tap'
import { collectDataset } from '../src/collect/collect-tables.ts'
import { renderIndexPage } from '../src/page/index-page.ts'
import { deflateSmall } from '../src/zip/deflate.ts'
import { writeZip } from '../src/zip/zip.ts'
import {
  addDeletion,
  addSession,
  addUser,
  createTestContext,
  putAvatar,
  putFile,
  saveManyPasswords,
  savePassword,
  type TestContext,
} from './setup.ts'
import { unzip } from './unzip.ts'

const schema = deflateSmall(Buffer.from('{}'))

const kinds = ['profile', 'saved-passwords', 'sessions', 'avatar', 'deletion', 'exports']

t.test('the archive contains all data of the person, complete and exact', async (t) => {
  const ada = await createAdaWithNeighbor(t)
  const { entries } = ada
  t.strictSame(
    new Set(entries.keys()),
    new Set([
      ...['README.txt', 'index.html', 'manifest.json'],
      ...['files/avatars/1.jpg', 'files/avatars/2', 'files/avatars/3.pdf'],
      ...kinds.flatMap((kind) => [`data/${kind}.json`, `data/${kind}.csv`, `schema/${kind}.json`]),
    ]),
  )

  const json = (kind: string) => JSON.parse(String(entries.get(`data/${kind}.json`)))
  const user = await ada.db.selectFrom('users').selectAll().where('id', '=', ada.id).execute()
  const profile = { id: ada.id, email: 'ada@example.com', displayName: 'ada', role: 'member' }
  const [{ createdAt, ...rest }] = json('profile')
  t.strictSame(rest, { ...profile, active: false })
  t.equal(Date.parse(createdAt), user[0]?.created_at.getTime())
  t.strictSame(json('sessions'), [
    {
      kind: 'cookie',
      authenticatedAt: '2026-01-02T03:04:05.678Z',
      expiresAt: '2026-02-27T12:00:00Z',
    },
  ])
  const passwords: { site: string }[] = json('saved-passwords')
  t.equal(passwords.length, 2)
  // Both were saved at the same time, so they are ordered by their random ids.
  t.strictSame(
    passwords.find(({ site }) => site === '../../x\\'),
    { site: '../../x\\', username: '=1+1', createdAt: '2026-01-03T00:00:00Z' },
  )
  t.strictSame(
    passwords.find(({ site }) => site.startsWith('a "quoted"')),
    {
      site: 'a "quoted", one',
      username: 'line\nbreak\t\u0007ü',
      createdAt: '2026-01-03T00:00:00Z',
    },
  )
  t.strictSame(json('avatar'), [
    { contentType: 'image/jpeg', bytes: ada.image.length, createdAt: '2026-01-04T00:00:00Z' },
  ])
  t.strictSame(json('deletion'), [
    {
      id: ada.cancelled,
      status: 'cancelled',
      requestedAt: '2026-01-05T00:00:00Z',
      eraseAfter: '2026-02-27T12:00:00Z',
      cancelledAt: '2026-01-06T00:00:00Z',
    },
    {
      id: ada.pending,
      status: 'pending',
      requestedAt: '2026-01-31T12:00:00Z',
      eraseAfter: '2026-02-27T12:00:00Z',
      cancelledAt: null,
    },
  ])
  t.ok(entries.get('files/avatars/1.jpg')?.equals(ada.image), 'the picture is unchanged')
})

t.test('writes each table as CSV too, with formulas neutralized', async (t) => {
  const { entries } = await createAdaWithNeighbor(t)
  const csv = String(entries.get('data/saved-passwords.csv'))
  t.ok(csv.startsWith('\ufeffsite,username,createdAt\r\n'))
  t.ok(csv.includes("\r\n../../x\\,'=1+1,2026-01-03T00:00:00Z\r\n"))
  t.ok(csv.includes('\r\n"a ""quoted"", one","line\nbreak\t\u0007ü",2026-01-03T00:00:00Z\r\n'))
  t.equal(
    String(entries.get('data/sessions.csv')),
    '\ufeffkind,authenticatedAt,expiresAt\r\ncookie,2026-01-02T03:04:05.678Z,2026-02-27T12:00:00Z\r\n',
  )
  t.match(
    String(entries.get('data/deletion.csv')),
    /,pending,[^,]*,[^,]*,\r\n$/,
    'null is an empty cell',
  )
})

t.test(
  'starts each CSV, small or large, with one byte-order mark, and no other file',
  async (t) => {
    const ctx = await createTestContext(t)
    const id = await addUser(ctx.db, 'ada')
    await sql`update public.users set display_name = 'Jürgen Groß' where id = ${id}`.execute(ctx.db)
    await saveManyPasswords(ctx.db, id, 6_000)
    const entries = await unzip(await ctx.readArchive(await ctx.make(id)))
    t.ok(entries.has('data/saved-passwords.jsonl'), 'the dataset is large')
    const mark = Buffer.from([0xef, 0xbb, 0xbf])
    for (const [name, bytes] of entries) {
      t.equal(bytes.indexOf(mark), name.endsWith('.csv') ? 0 : -1, name)
      t.equal(bytes.lastIndexOf(mark), bytes.indexOf(mark), name)
    }
    t.match(String(entries.get('data/profile.csv')), /,Jürgen Groß,/)
  },
)

t.test('the archive contains no data of a neighbor, and no hash, token or secret', async (t) => {
  const { entries, hidden } = await createAdaWithNeighbor(t)
  const all = Buffer.concat([...entries.values()])
  for (const [what, bytes] of Object.entries(hidden)) {
    for (const form of [bytes, ...encodings.map((encoding) => bytes.toString(encoding))]) {
      t.notOk(all.includes(form), what)
    }
  }
  t.ok(all.includes('ada@example.com'), 'the search finds what is there')
})

t.test(
  'the manifest lists every entry with its rows and hash, and what was left out and why',
  async (t) => {
    const { entries, id } = await createAdaWithNeighbor(t)
    const manifest = JSON.parse(String(entries.get('manifest.json')))
    t.match(manifest, { formatVersion: 2, userId: id, madeAt: /^\d{4}-.*Z$/ })
    const told = manifest.entries as { name: string; rows?: number; wasCalled?: string }[]
    t.strictSame(
      told.map(({ rows, wasCalled, ...entry }) => entry),
      [...entries]
        .filter(([name]) => name !== 'manifest.json')
        .map(([name, content]) => ({
          name,
          bytes: content.length,
          sha256: createHash('sha256').update(content).digest('hex'),
        }))
        .toSorted((a, b) => a.name.localeCompare(b.name, 'en')),
    )
    const rows = (name: string) => told.find((entry) => entry.name === name)?.rows
    t.strictSame(
      kinds.map((kind) => [rows(`data/${kind}.json`), rows(`data/${kind}.csv`)]),
      [
        [1, 1],
        [2, 2],
        [1, 1],
        [1, 1],
        [2, 2],
        [0, 0],
      ],
    )
    t.equal(
      told.find(({ name }) => name === 'files/avatars/3.pdf')?.wasCalled,
      'sub/<b>thesis</b>.PDF',
    )
    const leftOut = manifest.leftOut.map((left: { what: string; why: string }) => left)
    for (const what of ['users.password_hash', 'sessions.token_hash', 'saved_passwords.secret'])
      t.ok(
        leftOut.some(
          (left: { what: string; why: string }) => left.what.startsWith(what) && left.why,
        ),
        what,
      )
  },
)

t.test(
  'the README and the page say when the account is erased, and show the note of the data map',
  async (t) => {
    const { entries } = await createAdaWithNeighbor(t)
    for (const name of ['README.txt', 'index.html']) {
      const text = String(entries.get(name)).replaceAll(/\s+/g, ' ')
      t.match(text, 'erased after 2026-02-27 12:00:00 UTC', name)
      t.match(text, 'the page that the mail about this archive links to', name)
    }
    const readme = String(entries.get('README.txt'))
    t.match(readme, /apostrophe/)
    for (const kind of kinds) t.match(readme, `data/${kind}.json, data/${kind}.csv`)
    t.notOk(
      readme.split('\n').some((line) => line.length > 90),
      'no line is too long',
    )
  },
)

t.test('the page shows every value as text', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  await savePassword(ctx.db, id, { site: '<img src=x onerror=alert(1)>', username: `"'&` })
  await putFile(ctx, id, '<script>alert(1)<.png', randomBytes(10))
  const page = String((await unzip(await ctx.readArchive(await ctx.make(id)))).get('index.html'))
  t.match(page, '&lt;img src=x onerror=alert(1)&gt;')
  t.match(page, '&quot;&#39;&amp;')
  t.match(page, '<img src="files/avatars/1.png"')
  t.notMatch(page, /<script/i)
  t.notMatch(page, /<img src=x/)
  t.match(page, `content="default-src 'none';`)
})

t.test('the page shows all digits of a number', async (t) => {
  const page = renderIndexPage(
    { madeAt: new Date(0) },
    [
      {
        dataset: {
          name: 'sums',
          description: 'a sum',
          rows: () => sql`select`,
          schema,
          columns: ['one', 'other', 'list'].map((name) => ({
            name,
            description: name,
            notNull: true,
            kind: name === 'list' ? ('json' as const) : ('number' as const),
          })),
        },
        rows: 1,
        entries: [],
        preview: ['{"one":12345678901234567890,"other":12.50,"list":[1.10]}'],
      },
    ],
    [],
  ).toString()
  for (const digits of ['>12345678901234567890<', '>12.50<', '>[1.10]<']) t.match(page, digits)
})

t.test('an export without a deletion does not mention a deletion', async (t) => {
  const { db, readers, storage, optionsFor, readArchive } = await createTestContext(t)
  const { makeArchive } = await import('../src/index.ts')
  const { eraseAfter, ...options } = optionsFor(await addUser(db, 'ada'))
  const entries = await unzip(await readArchive(await makeArchive(readers, storage, options)))
  t.match(String(entries.get('README.txt')), /You asked for a copy of your data/)
  t.notMatch(String(entries.get('index.html')), /erased after/)
})

t.test('the same data gives the same bytes, except for the times', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  for (let n = 0; n < 5; n++) await savePassword(ctx.db, id, { site: `https://site-${n}.example` })
  await putAvatar(ctx, id, randomBytes(100))
  const [one, other] = [await ctx.make(id), await ctx.make(id)]
  const [first, second] = [
    await unzip(await ctx.readArchive(one)),
    await unzip(await ctx.readArchive(other)),
  ]
  t.strictSame([...first.keys()], [...second.keys()])
  const untimed = (bytes: Buffer = Buffer.alloc(0)) =>
    String(bytes).replaceAll(/"madeAt": .*|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, '')
  for (const [name, bytes] of first)
    if (name === 'manifest.json') {
      const told = (all: Buffer | undefined) =>
        JSON.parse(String(all)).entries.filter(({ name }: { name: string }) => /\//.test(name))
      t.strictSame(told(second.get(name)), told(bytes))
    } else t.equal(untimed(second.get(name)), untimed(bytes), name)
})

t.test('the preview of a large dataset does not depend on how its rows are chunked', async (t) => {
  const columns = [{ name: 'text', description: 'a text', kind: 'text' as const, notNull: true }]
  const kind = { name: 'texts', description: 'a text', columns, rows: () => sql`select`, schema }
  const shownOf = async (lines: string[], cut: number) => {
    const pieces = [lines.slice(0, cut), lines.slice(cut)].map((some) => Buffer.from(some.join('')))
    let shown: string[] = []
    await writeZip(new PassThrough().resume(), async (openZip) => {
      ;({ preview: shown } = await collectDataset(
        kind,
        Readable.from(pieces),
        openZip(new Date('2026-01-31')),
      ))
    })
    return shown
  }
  const many = Array.from({ length: 2_000 }, (_, n) => `${n}-${'x'.repeat(1_000)}\n`)
  const long = Array.from({ length: 20 }, (_, n) => `${n}-${'x'.repeat(100_000)}\n`)
  for (const cut of [1, 8, 64, 300, 1_999]) t.equal((await shownOf(many, cut)).length, 200)
  for (const cut of [1, 2, 3, 19]) t.equal((await shownOf(long, cut)).length, 2)
})

t.test('a person without data gets empty tables', async (t) => {
  const { db, make, readArchive } = await createTestContext(t)
  const entries = await unzip(await readArchive(await make(await addUser(db, 'ada'))))
  t.equal(String(entries.get('data/saved-passwords.json')), '[]\n')
  t.equal(String(entries.get('data/saved-passwords.csv')), '\ufeffsite,username,createdAt\r\n')
  t.notOk([...entries.keys()].some((name) => name.startsWith('files/')))
})

t.test('exports a file whose name is not valid UTF-8', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  await putFile(ctx, id, 'plain.jpg', Buffer.from('plain'))
  const folder = path.join(ctx.uploadDir, String(id))
  const latin = Buffer.concat([
    Buffer.from(`${folder}/caf`),
    Buffer.from([0xe9]),
    Buffer.from('.jpg'),
  ])
  await writeFile(latin, 'latin')
  const entries = await unzip(await ctx.readArchive(await ctx.make(id)))
  t.equal(String(entries.get('files/avatars/1.jpg')), 'latin')
  t.equal(String(entries.get('files/avatars/2.jpg')), 'plain')
})

t.test('makes no archive of a person who has been erased', async (t) => {
  const { make, listStored } = await createTestContext(t)
  await t.rejects(make(4711), { message: 'There is no such account any more' })
  t.strictSame(await listStored(), [])
})

const encodings = ['hex', 'base64', 'base64url'] as const

/** Ada's archive, and the bytes that must not be in it. */
async function createAdaWithNeighbor(t: Parameters<typeof createTestContext>[0]) {
  const ctx: TestContext = await createTestContext(t)
  const hidden = Object.fromEntries(
    ['session token', 'deletion token', 'secret', 'key', 'picture of the neighbour'].map((what) => [
      what,
      randomBytes(32),
    ]),
  ) as Record<string, Buffer<ArrayBuffer>>
  const neighbour = await addUser(ctx.db, 'neighbour')
  await addSession(ctx.db, neighbour)
  await savePassword(ctx.db, neighbour, { site: 'neighbours-site', username: 'neighbours-name' })
  await putAvatar(ctx, neighbour, hidden['picture of the neighbour'])
  const elsewhere = await addDeletion(ctx.db, neighbour, null)

  const id = await addUser(ctx.db, 'ada')
  await addSession(ctx.db, id, hidden['session token'])
  const { secret } = hidden
  await savePassword(ctx.db, id, { site: '../../x\\', username: '=1+1', ...(secret && { secret }) })
  await savePassword(ctx.db, id, { site: 'a "quoted", one', username: 'line\nbreak\t\u0007ü' })
  const sealed_key = hidden.key as Buffer
  await ctx.db.insertInto('vault.person_keys').values({ user_id: id, sealed_key }).execute()
  const image = randomBytes(5_000)
  await putAvatar(ctx, id, image)
  await putFile(ctx, id, 'picture.tar;rm -rf ~', randomBytes(10))
  await putFile(ctx, id, 'sub/<b>thesis</b>.PDF', randomBytes(10))
  const cancelled = await addDeletion(ctx.db, id, new Date('2026-01-06T00:00:00Z'))
  const pending = await addDeletion(ctx.db, id, null, hidden['deletion token'])

  for (const text of ['neighbour', 'argon2id', 'hash-of', elsewhere])
    hidden[text] = Buffer.from(text)
  const made = await ctx.make(id)
  const bytes = await ctx.readArchive(made)
  t.equal(made.bytes, bytes.length)
  t.ok(made.sha256.equals(createHash('sha256').update(bytes).digest()))
  return { ...ctx, id, image, cancelled, pending, hidden, made, entries: await unzip(bytes) }
}
