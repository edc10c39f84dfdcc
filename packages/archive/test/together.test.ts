import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { SnapshotPool } from '@lethe/db'
import { sql } from 'kysely'
import t from 'tap'
import { type MadeArchive, prepareArchives } from '../src/index.ts'
import {
  addSession,
  addUser,
  askForDeletion,
  eraseAfter,
  key,
  putAvatar,
  type Scene,
  saveManyPasswords,
  savePassword,
  scene,
} from './setup.ts'
import { unzip } from './unzip.ts'

t.test('whoever is exported together with others gets what they would get alone', async (t) => {
  const at = await scene(t)
  const [ada, eve, bob] = [
    await full(at, 'ada'),
    await full(at, 'eve'),
    await addUser(at.db, 'bob'),
  ]
  const outcomes = await together(at, [ada, eve, bob, ada])
  for (const [place, id] of [ada, eve, bob, ada].entries())
    t.strictSame(
      await dataOf(at, outcomes[place]),
      await dataOf(at, { status: 'fulfilled', value: await at.make(id) }),
    )
})

t.test(
  'who has many rows, or much in a few, is told of, and the others are exported',
  async (t) => {
    const at = await scene(t)
    const names = ['most', 'many', 'much', 'few']
    const [most = 0, many = 0, much = 0, few = 0] = await Promise.all(
      names.map((name) => addUser(at.db, name)),
    )
    await saveManyPasswords(at.db, most, 1_000)
    await sql`update public.saved_passwords set site = 'https://example.org'`.execute(at.db)
    await saveManyPasswords(at.db, many, 1_001)
    await saveManyPasswords(at.db, much, 990)
    const outcomes = await together(at, [most, many, much, few])
    t.match(outcomes, [{ value: {} }, undefined, undefined, { value: {} }])
    t.equal((await at.stored()).length, 2)
    t.equal(
      (await dataOf(at, outcomes[0])).get('data/saved-passwords.csv')?.split('\n').length,
      1_002,
    )
    t.match(await together(at, [many]), [{ value: {} }], 'alone it is made')
  },
)

t.test('of whoever has many rows no more are read than it takes to see that', async (t) => {
  const at = await scene(t)
  const [many, few] = [await addUser(at.db, 'many'), await addUser(at.db, 'few')]
  await saveManyPasswords(at.db, many, 5_000)
  let rows = 0
  async function* counted(lines: AsyncIterable<Buffer>) {
    for await (const some of lines) {
      rows += some.filter((byte) => byte === 0x0a).length
      yield some
    }
  }
  const snapshot: SnapshotPool['snapshot'] = (signal, queries, read) =>
    at.readers.snapshot(signal, queries, ({ takenAt, next }) =>
      read({ takenAt, next: () => counted(next()) }),
    )
  t.match(await together({ ...at, readers: { ...at.readers, snapshot } }, [many, few]), [
    undefined,
    { value: {} },
  ])
  t.ok(rows >= 1_001 && rows < 1_100, `${rows} rows`)
})

t.test('each fails for itself, and leaves nothing', async (t) => {
  const at = await scene(t)
  const [ada, eve] = [await full(at, 'ada'), await addUser(at.db, 'eve')]
  const erased = await addUser(at.db, 'erased')
  await sql`delete from public.users where id = ${erased}`.execute(at.db)
  await mkdir(at.uploadDir, { recursive: true })
  // A file where the folder should be.
  await writeFile(path.join(at.uploadDir, String(eve)), '')
  const outcomes = await together(at, [erased, ada, eve])
  t.match(outcomes, [{ reason: /no such account/ }, { value: {} }, { reason: { code: 'ENOTDIR' } }])
  t.equal((await at.stored()).length, 1)
})

t.test('an abort ends even a wait for a lock, and leaves nothing', async (t) => {
  const at = await scene(t)
  const [ada, eve] = [await addUser(at.db, 'ada'), await addUser(at.db, 'eve')]
  const stop = new AbortController()
  await at.db.transaction().execute(async (tx) => {
    await sql`lock table public.saved_passwords in access exclusive mode`.execute(tx)
    const made = together(at, [ada, eve], stop.signal)
    stop.abort(new Error('stopping'))
    await t.rejects(made, /stopping/)
  })
  t.strictSame(await at.stored(), [])
})

type Outcome = PromiseSettledResult<MadeArchive> | undefined

/** In the order of the people, each for an export of their own; undefined for those to be made alone. */
async function together(
  { readers, storage, optionsFor }: Scene,
  userIds: number[],
  signal = new AbortController().signal,
): Promise<Outcome[]> {
  const { plan, uploadDir } = optionsFor(0)
  const people = userIds.map((userId) => ({ userId, key, eraseAfter, exportId: randomUUID() }))
  const shared = { plan, uploadDir, signal, lease: randomUUID() }
  const prepared = await prepareArchives(readers, storage, shared, people)
  return Promise.all(
    prepared.map(async ({ make }) => make && (await Promise.allSettled([make()]))[0]),
  )
}

/** A person with something of each kind. */
async function full(at: Scene, name: string): Promise<number> {
  const { db } = at
  const id = await addUser(db, name)
  await addSession(db, id)
  await savePassword(db, id, { username: `${name}\tand\nmore\\` })
  await savePassword(db, id, { site: '17\t18' })
  await putAvatar(at, id, Buffer.from(`the picture of ${name}`))
  await askForDeletion(db, id, new Date('2026-01-06T00:00:00Z'))
  await askForDeletion(db, id, null)
  return id
}

/** All but what tells of the time. */
async function dataOf({ opened }: Scene, outcome?: Outcome): Promise<Map<string, string>> {
  if (outcome?.status !== 'fulfilled') throw new Error('it was not made')
  const entries = await unzip(await opened(outcome.value))
  return new Map(
    [...entries].filter(([name]) => /\//.test(name)).map(([name, text]) => [name, String(text)]),
  )
}
