import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openArchive, openStorage, removeOrphanedArchives } from '../src/index.ts'
import { createTestContext, key } from './setup.ts'
import { newName, type StorageUnderTest, testStorageContract } from './storage-contract.ts'
import { createTestArchive } from './test-archive.ts'

t.test('a folder', async (t) => testStorageContract(t, createFolder))

t.test('a reader reaches the end of an archive that is removed meanwhile', async (t) => {
  const { storage, made, whole } = await createTestArchive(t)
  const opened = await openArchive(storage, { ...made, key })
  await storage.remove([made.fileName])
  t.ok(opened && (await buffer(opened.stream)).equals(whole))
})

t.test('does not follow a symbolic link', async (t) => {
  const { storage, made, exportDir } = await createTestArchive(t)
  const link = newName()
  await symlink('/etc/passwd', path.join(exportDir, link))
  await t.rejects(openArchive(storage, { ...made, key, fileName: link }), { code: 'ELOOP' })
})

t.test('a missing folder counts as empty', async (t) => {
  const { db } = await createTestContext(t)
  const nowhere = openStorage(path.join(t.testdir(), 'nowhere'))
  t.equal(await nowhere.open(newName()), undefined)
  await nowhere.remove([newName()])
  t.equal(await nowhere.modifiedAt(newName()), undefined)
  t.equal(await removeOrphanedArchives(db, nowhere), 0)
})

async function createFolder(t: Test): Promise<StorageUnderTest> {
  const where = path.join(t.testdir(), 'exports')
  await mkdir(where)
  return {
    where,
    listFiles: () => readdir(where),
    addFile: (file) => writeFile(path.join(where, file), 'x'),
  }
}
