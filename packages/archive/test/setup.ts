import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { dataMap } from '@lethe/accounts'
import { type Db, openSnapshotPool, type SnapshotPool } from '@lethe/db'
import { type TestDb, testDb } from '@lethe/db/testing'
import { makePlan } from '@lethe/erasure'
import { sql } from 'kysely'
import type { Test } from 'tap'
import {
  type MadeArchive,
  makeArchive,
  openArchive,
  openStorage,
  type Storage,
} from '../src/index.ts'
import type { ArchiveOptions } from '../src/make-archive.ts'

export const eraseAfter = new Date('2026-02-27T12:00:00Z')
export const key = createHash('sha256').update('a key').digest()

export interface TestContext extends TestDb {
  readers: SnapshotPool
  storage: Storage
  exportDir: string
  uploadDir: string
  /** The options of `makeArchive` for this user, with a new export on each call. */
  optionsFor(userId: number, signal?: AbortSignal): ArchiveOptions
  make(userId: number): Promise<MadeArchive>
  /** Opens the archive and reads it. */
  readArchive(made: MadeArchive): Promise<Buffer>
  /** The file names in the folder of archives. */
  listStored(): Promise<string[]>
}

/** `where` is a value of EXPORT_DIR; the default is a folder. */
export async function createTestContext(t: Test, where?: string): Promise<TestContext> {
  const { db, url } = await testDb(t)
  const readers = openSnapshotPool(url, { max: 4 })
  t.teardown(() => readers.end())
  const exportDir = path.join(t.testdir(), 'exports')
  const uploadDir = path.join(t.testdirName, 'uploads')
  const storage = openStorage(where ?? exportDir)
  const plan = await makePlan(db, dataMap)
  const optionsFor: TestContext['optionsFor'] = (
    userId,
    signal = new AbortController().signal,
  ) => ({
    userId,
    uploadDir,
    signal,
    eraseAfter,
    key,
    plan,
    exportId: randomUUID(),
    lease: randomUUID(),
  })
  return {
    db,
    url,
    readers,
    storage,
    exportDir,
    uploadDir,
    optionsFor,
    make: async (userId) => makeArchive(readers, storage, optionsFor(userId)),
    async readArchive(made) {
      const opened = await openArchive(storage, { ...made, key })
      if (!opened) throw new Error('it is not there')
      return buffer(opened.stream)
    },
    listStored: () => readdir(exportDir).catch(() => []),
  }
}

/** Adds a user with this name in the address. The database only checks that the hash starts with `$argon2id$`. */
export async function addUser(db: Db, name: string): Promise<number> {
  const { id } = await db
    .insertInto('users')
    .values({
      email: `${name}@example.com`,
      display_name: name,
      password_hash: `$argon2id$hash-of-${name}`,
      active: false,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function addSession(db: Db, userId: number, token_hash = randomBytes(32)) {
  const [authenticated_at, expires_at] = [new Date('2026-01-02T03:04:05.678Z'), eraseAfter]
  await db
    .insertInto('sessions')
    .values({ user_id: userId, kind: 'cookie', token_hash, authenticated_at, expires_at })
    .execute()
}

export async function savePassword(
  db: Db,
  userId: number,
  { site = 'https://example.org', username = 'someone', secret = randomBytes(40) } = {},
) {
  const created_at = new Date('2026-01-03T00:00:00Z')
  await db
    .insertInto('saved_passwords')
    .values({ id: randomUUID(), user_id: userId, site, username, secret, created_at })
    .execute()
}

/**
 * Adds many wide rows, about 300 characters each, made by the server. The replica role skips the fence and the foreign key,
 * which would double the time.
 */
export async function saveManyPasswords(db: Db, userId: number, rows: number) {
  await db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql`
      insert into public.saved_passwords (id, user_id, site, username, secret)
      select gen_random_uuid(), ${userId}, 'https://' || encode(sha512((i || 'a')::bytea) || sha512((i || 'b')::bytea), 'hex'), 'user' || i, ${randomBytes(40)}
      from generate_series(1, ${sql.lit(rows)}) i`.execute(tx)
  })
}

/** Adds the row of an avatar, and its file if an image is given. */
export async function putAvatar(ctx: TestContext, userId: number, image: Buffer | undefined) {
  await ctx.db
    .insertInto('avatars')
    .values({
      user_id: userId,
      file_name: 'picture.jpg',
      content_type: 'image/jpeg',
      bytes: image?.length ?? 1,
      created_at: new Date('2026-01-04T00:00:00Z'),
    })
    .execute()
  if (image) await putFile(ctx, userId, 'picture.jpg', image)
}

export async function putFile(
  { uploadDir }: TestContext,
  userId: number,
  name: string,
  bytes: Buffer,
) {
  const file = path.join(uploadDir, String(userId), name)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, bytes)
}

/** Adds a deletion: cancelled if `cancelledAt` is set, else pending. */
export async function addDeletion(
  db: Db,
  userId: number,
  cancelledAt: Date | null,
  token_hash = randomBytes(32),
) {
  const { id } = await db
    .insertInto('deletions')
    .values({
      user_id: userId,
      status: cancelledAt ? 'cancelled' : 'pending',
      requested_at: new Date(cancelledAt ? '2026-01-05T00:00:00Z' : '2026-01-31T12:00:00Z'),
      erase_after: eraseAfter,
      cancelled_at: cancelledAt,
      token_hash,
      token_nonce: cancelledAt ? null : token_hash,
      next_attempt_at: eraseAfter,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}
