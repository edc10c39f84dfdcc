import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import {
  makeArchive,
  openArchive,
  removeArchive,
  removeDeadParts,
  removeStrays,
} from '../src/index.ts'
import { addUser, askForDeletion, eraseAfter, type Scene, scene } from './setup.ts'

const notNames = ['../x', '..', 'x.zip', `../${'a'.repeat(64)}.zip`, `${'a'.repeat(64)}.zip/..`, '']

t.test('an archive is read whole, or a range of it', async (t) => {
  const { exportDir, fileName, whole } = await anArchive(t)
  const read = async (range?: { start: number; end: number }) => {
    const opened = await openArchive(exportDir, fileName, range)
    return opened && (await buffer(opened.stream))
  }
  t.strictSame(await read(), whole)
  t.strictSame(await read({ start: 10, end: 19 }), whole.subarray(10, 20))
  const last = whole.length - 1
  t.strictSame(await read({ start: 0, end: 0 }), whole.subarray(0, 1))
  t.strictSame(await read({ start: last, end: 1e9 }), whole.subarray(last))
})

t.test('a range without a byte of the archive is refused', async (t) => {
  const { exportDir, fileName, whole } = await anArchive(t)
  for (const [start, end] of [
    [whole.length, whole.length],
    [5, 4],
    [-1, 5],
    [0.5, 5],
    [0, Number.NaN],
  ]) {
    await t.rejects(openArchive(exportDir, fileName, { start, end } as never), RangeError)
  }
})

t.test('what is not there is not opened', async (t) => {
  const { exportDir } = await anArchive(t)
  t.equal(await openArchive(exportDir, `${'a'.repeat(64)}.zip`), undefined)
  t.equal(await openArchive(path.join(exportDir, 'nowhere'), `${'a'.repeat(64)}.zip`), undefined)
})

t.test('an archive that is being read while it is removed is read to its end', async (t) => {
  const { exportDir, fileName, whole } = await anArchive(t)
  const opened = await openArchive(exportDir, fileName)
  await removeArchive(exportDir, fileName)
  t.ok(opened && (await buffer(opened.stream)).equals(whole))
})

t.test('no name leads out of the folder', async (t) => {
  const { exportDir, db, optionsFor } = await anArchive(t)
  for (const name of notNames) {
    await t.rejects(openArchive(exportDir, name), TypeError, name)
    await t.rejects(removeArchive(exportDir, name), TypeError, name)
    await t.rejects(makeArchive(db, { ...optionsFor(1), exportId: name }), TypeError, name)
    await t.rejects(makeArchive(db, { ...optionsFor(1), lease: name }), TypeError, name)
  }
  const link = `${'b'.repeat(64)}.zip`
  await symlink('/etc/passwd', path.join(exportDir, link))
  await t.rejects(openArchive(exportDir, link), { code: 'ELOOP' })
})

t.test('a removal takes the archive and nothing else', async (t) => {
  const { exportDir, exportId, fileName, stored } = await anArchive(t)
  const others = [`${exportId}.${randomUUID()}.part`, `${'c'.repeat(64)}.zip`]
  for (const name of others) await writeFile(path.join(exportDir, name), 'x')

  t.strictSame(new Set(await stored()), new Set([fileName, ...others]))
  await removeArchive(exportDir, fileName)
  t.strictSame(new Set(await stored()), new Set(others))
  await removeArchive(exportDir, fileName)
  t.strictSame(new Set(await stored()), new Set(others), 'a second time')
})

t.test('a removal where nothing was ever stored is no error', async (t) => {
  await removeArchive(path.join(t.testdir(), 'nowhere'), `${'a'.repeat(64)}.zip`)
})

t.test('strays go, once they are old: what a row names and what is young stays', async (t) => {
  const at = await anArchive(t)
  await nameInRow(at, at.fileName)
  const strays = ['c', 'd'].map((letter) => `${letter.repeat(64)}.zip`)
  for (const name of [...strays, 'notes.txt']) await writeFile(path.join(at.exportDir, name), 'x')

  const hour = 3_600_000
  t.equal(await removeStrays(at.db, at.exportDir, hour), 0)
  t.equal((await at.stored()).length, 4)
  // Nobody can date a file back: even one that is yet to come is old enough here.
  t.equal(await removeStrays(at.db, at.exportDir, -hour), 2)
  t.strictSame(new Set(await at.stored()), new Set([at.fileName, 'notes.txt']))
  t.equal(await removeStrays(at.db, path.join(at.exportDir, 'nowhere'), -hour), 0)
})

t.test('the part of a try goes with its lease, however young it is', async (t) => {
  const at = await anArchive(t)
  const { db, exportDir } = at
  const held = await pendingExport(at)
  const released = await pendingExport(at)
  const part = (id: string, lease: string) => `${id}.${lease}.part`
  const dead = [
    part(held.id, randomUUID()),
    part(released.id, released.lease),
    part(randomUUID(), randomUUID()),
  ]
  const live = part(held.id, held.lease)
  for (const name of [...dead, live, 'notes.txt']) await writeFile(path.join(exportDir, name), 'x')
  await db
    .updateTable('exports')
    .set({ status: 'withdrawn', lease: null, token_nonce: null })
    .where('id', '=', released.id)
    .execute()

  t.equal(await removeDeadParts(db, exportDir), 3)
  t.strictSame(new Set(await at.stored()), new Set([at.fileName, live, 'notes.txt']))
  t.equal(await removeDeadParts(db, path.join(exportDir, 'nowhere')), 0)
})

async function anArchive(t: Parameters<typeof scene>[0]) {
  const at = await scene(t)
  await mkdir(at.exportDir)
  const id = await addUser(at.db, 'ada')
  const options = at.optionsFor(id)
  const { fileName } = await makeArchive(at.db, options)
  const whole = await readFile(path.join(at.exportDir, fileName))
  return { ...at, id, exportId: options.exportId, fileName, whole }
}

async function nameInRow({ db, id }: Scene & { id: number }, file_name: string) {
  const bytes = randomBytes(32)
  const deletion_id = await askForDeletion(db, id, null)
  await db
    .insertInto('exports')
    .values({
      ...{ deletion_id, user_id: id, status: 'ready', file_name, bytes: 1, expires_at: eraseAfter },
      ...{ created_at: eraseAfter, sha256: bytes, token_nonce: bytes, token_hash: bytes },
    })
    .execute()
}

async function pendingExport({ db }: Scene) {
  const [lease, token_hash] = [randomUUID(), randomBytes(32)]
  const user_id = await addUser(db, randomUUID())
  const deletion_id = await askForDeletion(db, user_id, null)
  const row = await db
    .insertInto('exports')
    .values({ deletion_id, user_id, lease, token_hash, token_nonce: token_hash })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { id: row.id, lease }
}
