import { mkdir, rm, stat, symlink } from 'node:fs/promises'
import path from 'node:path'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { makeArchive } from '../src/index.ts'
import { openTransactions, waiting } from './activity.ts'
import {
  addSession,
  addUser,
  putAvatar,
  type Scene,
  saveManyPasswords,
  savePassword,
  scene,
} from './setup.ts'
import { unzip } from './unzip.ts'

t.test('what is written in the meantime is not in the archive', async (t) => {
  const at = await scene(t)
  const id = await addUser(at.db, 'ada')
  await addSession(at.db, id)
  const lock = await lockPasswords(at)
  const made = at.make(id)
  await until('it waits for a lock', () => waiting(at.db))

  await addSession(lock, id)
  await savePassword(lock, id)
  await lock.commit().execute()

  const entries = await unzip(await at.opened(await made))
  const rows = (kind: string) => JSON.parse(String(entries.get(`data/${kind}.json`))).length
  t.equal(rows('saved-passwords'), 0)
  t.equal(rows('sessions'), 1)
})

t.test('until it is whole the archive goes by another name, its owner’s alone', async (t) => {
  const at = await scene(t)
  const options = at.optionsFor(await addUser(at.db, 'ada'))
  const lock = await lockPasswords(at)
  const made = makeArchive(at.readers, at.storage, options)
  await until('it waits for a lock', () => waiting(at.db))
  const name = `${options.exportId}.${options.lease}.zip.age`
  const part = `${name}.part`
  t.strictSame(await at.stored(), [part])
  t.equal(await mode(path.join(at.exportDir, part)), 0o600)
  t.equal(await mode(at.exportDir), 0o700)

  await lock.commit().execute()
  const { fileName } = await made
  t.equal(fileName, name)
  t.strictSame(await at.stored(), [fileName])
  t.equal(await mode(path.join(at.exportDir, fileName)), 0o600)
})

t.test('a folder that was there with wider rights is closed', async (t) => {
  const at = await scene(t)
  await mkdir(at.exportDir, { mode: 0o755 })
  await at.make(await addUser(at.db, 'ada'))
  t.equal(await mode(at.exportDir), 0o700)
})

t.test('an abort ends even a wait for a lock, and leaves nothing', async (t) => {
  const at = await scene(t)
  const stop = new AbortController()
  const lock = await lockPasswords(at)
  const options = at.optionsFor(await addUser(at.db, 'ada'), stop.signal)
  const made = makeArchive(at.readers, at.storage, options)
  await until('it waits for a lock', () => waiting(at.db))
  const reason = new Error('the lease is lost')
  stop.abort(reason)
  await t.rejects(made, reason)
  t.strictSame(await at.stored(), [])
  await until('one transaction is open', async () => (await openTransactions(at.db)) === 1)
  t.pass('the server notices, and waits no more for the lock that another one holds')
  await lock.rollback().execute()
})

t.test('an abort in the middle of many rows leaves nothing', async (t) => {
  const at = await scene(t)
  const id = await addUser(at.db, 'ada')
  await saveManyPasswords(at.db, id, 50_000)
  const stop = new AbortController()
  const options = at.optionsFor(id, stop.signal)
  const made = makeArchive(at.readers, at.storage, options)
  const part = path.join(at.exportDir, `${options.exportId}.${options.lease}.zip.age.part`)
  await until('a part is written', async () => (await sizeOf(part)) > 100_000)
  stop.abort()
  await t.rejects(made, { name: 'AbortError' })
  t.strictSame(await at.stored(), [])
  // Its connection was cut, and the server may notice that a moment later.
  await until('no transaction is open', async () => (await openTransactions(at.db)) === 0)
})

t.test('who is told to stop before the start does not start', async (t) => {
  const at = await scene(t)
  const options = at.optionsFor(await addUser(at.db, 'ada'), AbortSignal.abort())
  await t.rejects(makeArchive(at.readers, at.storage, options), { name: 'AbortError' })
  t.strictSame(await at.stored(), [])
})

t.test('a file that is a link to somewhere else is not followed', async (t) => {
  const at = await scene(t)
  const id = await addUser(at.db, 'ada')
  await putAvatar(at, id, Buffer.from('a picture'))
  await symlink('/etc/hostname', path.join(at.uploadDir, String(id), 'elsewhere.png'))
  const entries = await unzip(await at.opened(await at.make(id)))
  const files = [...entries.keys()].filter((name) => name.startsWith('files/'))
  t.strictSame(files, ['files/avatars/1.jpg'])
})

t.test('a database that fails under way fails the archive, and leaves nothing', async (t) => {
  const at = await scene(t)
  const lock = await lockPasswords(at)
  const made = at.make(await addUser(at.db, 'ada'))
  await until('it waits for a lock', () => waiting(at.db))
  // It may fail before we are told that we have cancelled it.
  const failed = t.rejects(made, { code: '57014' })
  await sql`select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'
    and datname = current_database()`.execute(at.db)
  await failed
  t.strictSame(await at.stored(), [])
  await lock.rollback().execute()
})

t.test('a try whose file was swept away fails', async (t) => {
  const at = await scene(t)
  const options = at.optionsFor(await addUser(at.db, 'ada'))
  const lock = await lockPasswords(at)
  const made = makeArchive(at.readers, at.storage, options)
  await until('it waits for a lock', () => waiting(at.db))
  await rm(path.join(at.exportDir, `${options.exportId}.${options.lease}.zip.age.part`))
  await lock.commit().execute()
  await t.rejects(made, { code: 'ENOENT' })
  t.strictSame(await at.stored(), [])
})

t.test('a second try under the same lease leaves the first one’s file alone', async (t) => {
  const at = await scene(t)
  const options = at.optionsFor(await addUser(at.db, 'ada'))
  const lock = await lockPasswords(at)
  const made = makeArchive(at.readers, at.storage, options)
  await until('it waits for a lock', () => waiting(at.db))
  await t.rejects(makeArchive(at.readers, at.storage, options), { code: 'EEXIST' })
  await lock.commit().execute()
  const { fileName } = await made
  t.strictSame(await at.stored(), [fileName])
})

/** Holds the archive up where it comes to the saved passwords: the profile is read, the sessions are not. */
async function lockPasswords({ db }: Scene) {
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
