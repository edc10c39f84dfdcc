import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openArchive, openStorage, removeOrphanedArchives } from '../src/index.ts'
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

t.test('a folder that is not there holds nothing', async (t) => {
  const { db } = await scene(t)
  const nowhere = openStorage(path.join(t.testdir(), 'nowhere'))
  t.equal(await nowhere.open(name()), undefined)
  await nowhere.remove([name()])
  t.equal(await nowhere.modifiedAt(name()), undefined)
  t.equal(await removeOrphanedArchives(db, nowhere), 0)
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
