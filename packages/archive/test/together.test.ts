import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { SnapshotPool } from '@lethe/db'
import { sql } from 'kysely'
import t from 'tap'
import { type MadeArchive, prepareArchives } from '../src/index.ts'
import {
  addDeletion,
  addSession,
  addUser,
  createTestContext,
  eraseAfter,
  key,
  putAvatar,
  saveManyPasswords,
  savePassword,
  type TestContext,
} from './setup.ts'
import { unzip } from './unzip.ts'

t.test('an archive prepared with others equals one made individually', async (t) => {
  const ctx = await createTestContext(t)
  const [ada, eve, bob] = [
    await addFullUser(ctx, 'ada'),
    await addFullUser(ctx, 'eve'),
    await addUser(ctx.db, 'bob'),
  ]
  const outcomes = await exportTogether(ctx, [ada, eve, bob, ada])
  for (const [place, id] of [ada, eve, bob, ada].entries())
    t.strictSame(
      await readData(ctx, outcomes[place]),
      await readData(ctx, { status: 'fulfilled', value: await ctx.make(id) }),
    )
})

t.test(
  'people with many rows or much data are left for individual exports, and the others are exported',
  async (t) => {
    const ctx = await createTestContext(t)
    const names = ['most', 'many', 'much', 'few']
    const [most = 0, many = 0, much = 0, few = 0] = await Promise.all(
      names.map((name) => addUser(ctx.db, name)),
    )
    await saveManyPasswords(ctx.db, most, 1_000)
    await sql`update public.saved_passwords set site = 'https://example.org'`.execute(ctx.db)
    await saveManyPasswords(ctx.db, many, 1_001)
    await saveManyPasswords(ctx.db, much, 990)
    const outcomes = await exportTogether(ctx, [most, many, much, few])
    t.match(outcomes, [{ value: {} }, undefined, undefined, { value: {} }])
    t.equal((await ctx.listStored()).length, 2)
    t.equal(
      (await readData(ctx, outcomes[0])).get('data/saved-passwords.csv')?.split('\n').length,
      1_002,
    )
    t.match(await exportTogether(ctx, [many]), [{ value: {} }], 'it is made individually')
  },
)

t.test('reads only one row beyond the limit of a person with many rows', async (t) => {
  const ctx = await createTestContext(t)
  const [many, few] = [await addUser(ctx.db, 'many'), await addUser(ctx.db, 'few')]
  await saveManyPasswords(ctx.db, many, 5_000)
  let rows = 0
  async function* counted(lines: AsyncIterable<Buffer>) {
    for await (const some of lines) {
      rows += some.filter((byte) => byte === 0x0a).length
      yield some
    }
  }
  const snapshot: SnapshotPool['snapshot'] = (signal, queries, read) =>
    ctx.readers.snapshot(signal, queries, ({ takenAt, next }) =>
      read({ takenAt, next: () => counted(next()) }),
    )
  t.match(await exportTogether({ ...ctx, readers: { ...ctx.readers, snapshot } }, [many, few]), [
    undefined,
    { value: {} },
  ])
  t.ok(rows >= 1_001 && rows < 1_100, `${rows} rows`)
})

t.test('a failed archive leaves nothing, and does not fail the others', async (t) => {
  const ctx = await createTestContext(t)
  const [ada, eve] = [await addFullUser(ctx, 'ada'), await addUser(ctx.db, 'eve')]
  const erased = await addUser(ctx.db, 'erased')
  await sql`delete from public.users where id = ${erased}`.execute(ctx.db)
  await mkdir(ctx.uploadDir, { recursive: true })
  // A file where the folder should be.
  await writeFile(path.join(ctx.uploadDir, String(eve)), '')
  const outcomes = await exportTogether(ctx, [erased, ada, eve])
  t.match(outcomes, [{ reason: /no such account/ }, { value: {} }, { reason: { code: 'ENOTDIR' } }])
  t.equal((await ctx.listStored()).length, 1)
})

t.test('an abort ends a wait for a lock, and leaves nothing', async (t) => {
  const ctx = await createTestContext(t)
  const [ada, eve] = [await addUser(ctx.db, 'ada'), await addUser(ctx.db, 'eve')]
  const stop = new AbortController()
  await ctx.db.transaction().execute(async (tx) => {
    await sql`lock table public.saved_passwords in access exclusive mode`.execute(tx)
    const made = exportTogether(ctx, [ada, eve], stop.signal)
    stop.abort(new Error('stopping'))
    await t.rejects(made, /stopping/)
  })
  t.strictSame(await ctx.listStored(), [])
})

type Outcome = PromiseSettledResult<MadeArchive> | undefined

/** The outcomes in the order of the ids, one export each; undefined for those that must be made individually. */
async function exportTogether(
  { readers, storage, optionsFor }: TestContext,
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

/** Adds a user with rows in every dataset. */
async function addFullUser(ctx: TestContext, name: string): Promise<number> {
  const { db } = ctx
  const id = await addUser(db, name)
  await addSession(db, id)
  await savePassword(db, id, { username: `${name}\tand\nmore\\` })
  await savePassword(db, id, { site: '17\t18' })
  await putAvatar(ctx, id, Buffer.from(`the picture of ${name}`))
  await addDeletion(db, id, new Date('2026-01-06T00:00:00Z'))
  await addDeletion(db, id, null)
  return id
}

/** The entries in folders, which do not depend on the time. */
async function readData(
  { readArchive }: TestContext,
  outcome?: Outcome,
): Promise<Map<string, string>> {
  if (outcome?.status !== 'fulfilled') throw new Error('it was not made')
  const entries = await unzip(await readArchive(outcome.value))
  return new Map(
    [...entries].filter(([name]) => /\//.test(name)).map(([name, text]) => [name, String(text)]),
  )
}
