import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { makeArchive } from '../src/index.ts'
import { addSession, addUser, askForDeletion, putAvatar, savePassword, scene } from './setup.ts'
import { unzip } from './unzip.ts'

const names = [
  'README.txt',
  ...['profile', 'sessions', 'saved-passwords', 'avatar', 'deletion'].flatMap((kind) => [
    `${kind}.json`,
    `${kind}.csv`,
  ]),
  'avatar.jpg',
  'manifest.json',
]

t.test('the archive holds what is the person’s, whole and exact', async (t) => {
  const ada = await adaWithNeighbour(t)
  const entries = await unzip(ada.file)
  t.strictSame([...entries.keys()], names)

  const json = (name: string) => JSON.parse(String(entries.get(name)))
  const user = await ada.db.selectFrom('users').selectAll().where('id', '=', ada.id).execute()
  const createdAt = user[0]?.created_at.toISOString()
  const profile = { id: ada.id, email: 'ada@example.com', displayName: 'ada', role: 'member' }
  t.strictSame(json('profile.json'), [{ ...profile, active: false, createdAt }])
  t.strictSame(json('sessions.json'), [
    {
      kind: 'cookie',
      authenticatedAt: '2026-01-02T03:04:05.678Z',
      expiresAt: '2026-02-27T12:00:00.000Z',
    },
  ])
  const passwords: { site: string }[] = json('saved-passwords.json')
  t.equal(passwords.length, 2)
  // Saved at the same moment, so in the order of their random ids.
  t.strictSame(
    passwords.find(({ site }) => site === '../../x'),
    { site: '../../x', username: '=1+1', createdAt: '2026-01-03T00:00:00.000Z' },
  )
  t.strictSame(json('avatar.json'), [
    { contentType: 'image/jpeg', bytes: ada.image.length, createdAt: '2026-01-04T00:00:00.000Z' },
  ])
  t.strictSame(json('deletion.json'), [
    {
      id: ada.cancelled,
      status: 'cancelled',
      requestedAt: '2026-01-05T00:00:00.000Z',
      eraseAfter: '2026-02-27T12:00:00.000Z',
      cancelledAt: '2026-01-06T00:00:00.000Z',
    },
    {
      id: ada.pending,
      status: 'pending',
      requestedAt: '2026-01-31T12:00:00.000Z',
      eraseAfter: '2026-02-27T12:00:00.000Z',
      cancelledAt: null,
    },
  ])
  t.ok(entries.get('avatar.jpg')?.equals(ada.image), 'the picture as it is')
})

t.test('each table comes as CSV, too, with formulas neutralised', async (t) => {
  const entries = await unzip((await adaWithNeighbour(t)).file)
  const csv = String(entries.get('saved-passwords.csv'))
  t.ok(csv.startsWith('site,username,createdAt\r\n'))
  t.ok(csv.includes("\r\n../../x,'=1+1,2026-01-03T00:00:00.000Z\r\n"))
  t.ok(csv.includes('\r\n"a ""quoted"", one","line\nbreak",2026-01-03T00:00:00.000Z\r\n'))
  t.equal(
    String(entries.get('sessions.csv')),
    'kind,authenticatedAt,expiresAt\r\ncookie,2026-01-02T03:04:05.678Z,2026-02-27T12:00:00.000Z\r\n',
  )
})

t.test('nothing of a neighbour, no hash, token or secret is inside', async (t) => {
  const ada = await adaWithNeighbour(t)
  const all = Buffer.concat([...(await unzip(ada.file)).values()])
  for (const [what, bytes] of Object.entries(ada.hidden)) {
    for (const form of [bytes, ...encodings.map((encoding) => bytes.toString(encoding))]) {
      t.notOk(all.includes(form), what)
    }
  }
  t.ok(all.includes('ada@example.com'), 'what is looked for this way can be found')
})

t.test(
  'the manifest tells of every entry, its rows and its hash, and what was left out',
  async (t) => {
    const ada = await adaWithNeighbour(t)
    const entries = await unzip(ada.file)
    const manifest = JSON.parse(String(entries.get('manifest.json')))
    entries.delete('manifest.json')

    t.match(manifest, { formatVersion: 1, userId: ada.id, madeAt: /^\d{4}-.*Z$/ })
    t.strictSame(
      manifest.entries.map(({ rows, ...entry }: { rows?: number }) => entry),
      [...entries].map(([name, content]) => ({
        name,
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      })),
    )
    const rows = manifest.entries.map((entry: { rows?: number }) => entry.rows)
    t.strictSame(rows, [undefined, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2, undefined])
    const leftOut = manifest.leftOut.map((left: { what: string }) => left.what).join('; ')
    for (const what of ['hash of your password', 'session tokens', 'saved-passwords']) {
      t.match(leftOut, what)
    }
  },
)

t.test('the answer tells of the stored bytes', async (t) => {
  const { file, made } = await adaWithNeighbour(t)
  const stored = await readFile(file)
  t.equal(made.bytes, stored.length)
  t.ok(made.sha256.equals(createHash('sha256').update(stored).digest()))
})

t.test('the README says what, when, and how to get the saved passwords', async (t) => {
  const { db, exportDir, optionsFor } = await scene(t)
  const options = optionsFor(await addUser(db, 'ada'))
  const { fileName } = await makeArchive(db, options)
  const readme = String((await unzip(path.join(exportDir, fileName))).get('README.txt'))
  t.match(readme, /the page that the mail about this archive links to\nand enter the password/)
  t.match(readme, 'erased after 2026-02-27 12:00:00 UTC')
  t.match(readme, /apostrophe/)
  for (const name of names.filter((name) => name !== 'README.txt' && name !== 'avatar.jpg')) {
    t.match(readme, name)
  }
})

t.test('a person who has nothing gets empty tables', async (t) => {
  const { db, exportDir, make } = await scene(t)
  const { fileName } = await make(await addUser(db, 'ada'))
  const entries = await unzip(path.join(exportDir, fileName))
  t.equal(String(entries.get('saved-passwords.json')), '[]\n')
  t.equal(String(entries.get('saved-passwords.csv')), 'site,username,createdAt\r\n')
  t.notOk([...entries.keys()].some((name) => /^avatar\.(png|jpg|webp)$/.test(name)))
})

t.test('a picture whose file is missing is left out, and the manifest says why', async (t) => {
  const at = await scene(t)
  const id = await addUser(at.db, 'ada')
  await putAvatar(at, id, undefined)
  const { fileName } = await at.make(id)
  const entries = await unzip(path.join(at.exportDir, fileName))
  t.notOk(entries.has('avatar.jpg'))
  const { leftOut } = JSON.parse(String(entries.get('manifest.json')))
  t.match(leftOut.at(-1), { what: 'your picture', why: /missing/ })
})

t.test('somebody who was erased in the meantime has no archive', async (t) => {
  const { make, stored } = await scene(t)
  await t.rejects(make(4711), { message: 'There is no such account any more' })
  t.strictSame(await stored(), [])
})

const encodings = ['hex', 'base64', 'base64url'] as const

/** Ada's archive, and what must not be in it. */
async function adaWithNeighbour(t: Parameters<typeof scene>[0]) {
  const at = await scene(t)
  const hidden = Object.fromEntries(
    ['session token', 'deletion token', 'secret', 'key', 'picture.jpg'].map((what) => [
      what,
      randomBytes(32),
    ]),
  ) as Record<string, Buffer<ArrayBuffer>>
  const neighbour = await addUser(at.db, 'neighbour')
  await addSession(at.db, neighbour)
  await savePassword(at.db, neighbour, { site: 'neighbours-site', username: 'neighbours-name' })
  await putAvatar(at, neighbour, hidden.picture)
  const elsewhere = await askForDeletion(at.db, neighbour, null)

  const id = await addUser(at.db, 'ada')
  await addSession(at.db, id, hidden['session token'])
  const { secret } = hidden
  await savePassword(at.db, id, { site: '../../x', username: '=1+1', ...(secret && { secret }) })
  await savePassword(at.db, id, { site: 'a "quoted", one', username: 'line\nbreak' })
  const sealed_key = hidden.key as Buffer
  await at.db.insertInto('vault.person_keys').values({ user_id: id, sealed_key }).execute()
  const image = randomBytes(5_000)
  await putAvatar(at, id, image)
  const cancelled = await askForDeletion(at.db, id, new Date('2026-01-06T00:00:00Z'))
  const pending = await askForDeletion(at.db, id, null, hidden['deletion token'])

  for (const text of ['neighbour', 'argon2id', 'hash-of', elsewhere])
    hidden[text] = Buffer.from(text)
  const made = await at.make(id)
  return {
    ...at,
    id,
    image,
    cancelled,
    pending,
    hidden,
    made,
    file: path.join(at.exportDir, made.fileName),
  }
}
