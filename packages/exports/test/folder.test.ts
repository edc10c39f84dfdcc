import { randomUUID } from 'node:crypto'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openArchive, openStorage, removeDead } from '../src/index.ts'
import { anArchive } from './an-archive.ts'
import { key, scene } from './setup.ts'
import { holdsForAnyStorage, name, type Place } from './storage-claims.ts'

t.test('a folder', async (t) => holdsForAnyStorage(t, aFolder))

t.test('an archive that is being read while it is removed is read to its end', async (t) => {
  const { storage, made, whole } = await anArchive(t)
  const opened = await openArchive(storage, { ...made, key })
  await storage.remove([made.fileName])
  t.ok(opened && (await buffer(opened.stream)).equals(whole))
})

t.test('a link to somewhere else is not followed', async (t) => {
  const { storage, made, exportDir } = await anArchive(t)
  const link = name()
  await symlink('/etc/passwd', path.join(exportDir, link))
  await t.rejects(openArchive(storage, { ...made, key, fileName: link }), { code: 'ELOOP' })
})

t.test('what lies there unsealed, from before archives were sealed, goes', async (t) => {
  const { db, storage, made, exportDir } = await anArchive(t)
  const before = [`${'a'.repeat(64)}.zip`, `${randomUUID()}.${randomUUID()}.part`]
  for (const file of [...before, 'notes.txt']) await writeFile(path.join(exportDir, file), 'x')
  await removeDead(db, storage)
  const left = await readdir(exportDir)
  t.notOk(left.some((file) => before.includes(file)))
  t.ok(left.includes('notes.txt'))
  await storage.remove([made.fileName, ...before.slice(0, 1)])
})

t.test('a folder that is not there holds nothing', async (t) => {
  const { db } = await scene(t)
  const nowhere = openStorage(path.join(t.testdir(), 'nowhere'))
  t.equal(await nowhere.open(name()), undefined)
  await nowhere.remove([name()])
  t.equal(await removeDead(db, nowhere), 0)
})

async function aFolder(t: Test): Promise<Place> {
  const where = path.join(t.testdir(), 'exports')
  await mkdir(where)
  return {
    where,
    lies: () => readdir(where),
    lay: (file) => writeFile(path.join(where, file), 'x'),
  }
}
