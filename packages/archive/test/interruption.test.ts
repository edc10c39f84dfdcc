import { mkdir, rm, stat, symlink } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { makeArchive } from '../src/index.ts'
import { countOpenTransactions, isWaitingForLock } from './activity.ts'
import {
  addSession,
  addUser,
  createTestContext,
  putAvatar,
  saveManyPasswords,
  savePassword,
  type TestContext,
} from './setup.ts'
import { unzip } from './unzip.ts'

t.test('the archive does not contain rows written while it is made', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  await addSession(ctx.db, id)
  const lock = await lockPasswords(ctx)
  const made = ctx.make(id)
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))

  await addSession(lock, id)
  await savePassword(lock, id)
  await lock.commit().execute()

  const entries = await unzip(await ctx.readArchive(await made))
  const rows = (kind: string) => JSON.parse(String(entries.get(`data/${kind}.json`))).length
  t.equal(rows('saved-passwords'), 0)
  t.equal(rows('sessions'), 1)
})

t.test('an incomplete archive has a temporary name, and only its owner can read it', async (t) => {
  const ctx = await createTestContext(t)
  const options = ctx.optionsFor(await addUser(ctx.db, 'ada'))
  const lock = await lockPasswords(ctx)
  const made = makeArchive(ctx.readers, ctx.storage, options)
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))
  const name = `${options.exportId}.${options.lease}.zip.age`
  const part = `${name}.part`
  t.strictSame(await ctx.listStored(), [part])
  t.equal(await mode(path.join(ctx.exportDir, part)), 0o600)
  t.equal(await mode(ctx.exportDir), 0o700)

  await lock.commit().execute()
  const { fileName } = await made
  t.equal(fileName, name)
  t.strictSame(await ctx.listStored(), [fileName])
  t.equal(await mode(path.join(ctx.exportDir, fileName)), 0o600)
})

t.test('restricts an existing folder with wider permissions', async (t) => {
  const ctx = await createTestContext(t)
  await mkdir(ctx.exportDir, { mode: 0o755 })
  await ctx.make(await addUser(ctx.db, 'ada'))
  t.equal(await mode(ctx.exportDir), 0o700)
})

t.test('an abort ends a wait for a lock, and leaves nothing', async (t) => {
  const ctx = await createTestContext(t)
  const stop = new AbortController()
  const lock = await lockPasswords(ctx)
  const options = ctx.optionsFor(await addUser(ctx.db, 'ada'), stop.signal)
  const made = makeArchive(ctx.readers, ctx.storage, options)
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))
  const reason = new Error('the lease is lost')
  stop.abort(reason)
  await t.rejects(made, reason)
  t.strictSame(await ctx.listStored(), [])
  await until('one transaction is open', async () => (await countOpenTransactions(ctx.db)) === 1)
  t.pass('the server ends the wait for the lock, which is still held')
  await lock.rollback().execute()
})

t.test('an abort in the middle of many rows leaves nothing', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  await saveManyPasswords(ctx.db, id, 50_000)
  const stop = new AbortController()
  const options = ctx.optionsFor(id, stop.signal)
  const made = makeArchive(ctx.readers, ctx.storage, options)
  const part = path.join(ctx.exportDir, `${options.exportId}.${options.lease}.zip.age.part`)
  await until('a part is written', async () => (await sizeOf(part)) > 100_000)
  stop.abort()
  await t.rejects(made, { name: 'AbortError' })
  t.strictSame(await ctx.listStored(), [])
  // The connection was cut, and the server may notice it a moment later.
  await until('no transaction is open', async () => (await countOpenTransactions(ctx.db)) === 0)
})

t.test('an abort before the start prevents the start', async (t) => {
  const ctx = await createTestContext(t)
  const options = ctx.optionsFor(await addUser(ctx.db, 'ada'), AbortSignal.abort())
  await t.rejects(makeArchive(ctx.readers, ctx.storage, options), { name: 'AbortError' })
  t.strictSame(await ctx.listStored(), [])
})

t.test('does not follow a symbolic link among the files', async (t) => {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  await putAvatar(ctx, id, Buffer.from('a picture'))
  await symlink('/etc/hostname', path.join(ctx.uploadDir, String(id), 'elsewhere.png'))
  const entries = await unzip(await ctx.readArchive(await ctx.make(id)))
  const files = [...entries.keys()].filter((name) => name.startsWith('files/'))
  t.strictSame(files, ['files/avatars/1.jpg'])
})

t.test('a failure of the database fails the archive, and leaves nothing', async (t) => {
  const ctx = await createTestContext(t)
  const lock = await lockPasswords(ctx)
  const made = ctx.make(await addUser(ctx.db, 'ada'))
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))
  // The archive may fail before the cancel returns, so handle its rejection first.
  const failed = t.rejects(made, { code: '57014' })
  await sql`select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'
    and datname = current_database()`.execute(ctx.db)
  await failed
  t.strictSame(await ctx.listStored(), [])
  await lock.rollback().execute()
})

t.test('an attempt whose file was removed fails', async (t) => {
  const ctx = await createTestContext(t)
  const options = ctx.optionsFor(await addUser(ctx.db, 'ada'))
  const lock = await lockPasswords(ctx)
  const made = makeArchive(ctx.readers, ctx.storage, options)
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))
  await rm(path.join(ctx.exportDir, `${options.exportId}.${options.lease}.zip.age.part`))
  await lock.commit().execute()
  await t.rejects(made, { code: 'ENOENT' })
  t.strictSame(await ctx.listStored(), [])
})

t.test('a second attempt with the same lease does not touch the file of the first', async (t) => {
  const ctx = await createTestContext(t)
  const options = ctx.optionsFor(await addUser(ctx.db, 'ada'))
  const lock = await lockPasswords(ctx)
  const made = makeArchive(ctx.readers, ctx.storage, options)
  await until('it waits for a lock', () => isWaitingForLock(ctx.db))
  await t.rejects(makeArchive(ctx.readers, ctx.storage, options), { code: 'EEXIST' })
  await lock.commit().execute()
  const { fileName } = await made
  t.strictSame(await ctx.listStored(), [fileName])
})

/** Blocks the archive at the saved passwords: the profile has been read, the sessions have not. */
async function lockPasswords({ db }: TestContext) {
  const lock = await db.startTransaction().execute()
  await sql`lock table public.saved_passwords in access exclusive mode`.execute(lock)
  return lock
}

const mode = async (file: string) => (await stat(file)).mode & 0o777

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch {
    return 0
  }
}
