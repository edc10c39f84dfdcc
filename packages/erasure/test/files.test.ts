import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { countFiles, filesFolder, removeFiles } from '../src/index.ts'

t.test('files go with their folder, strays too; a second run finds nothing', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const id of [1, 11]) {
    await mkdir(filesFolder(dir, id))
    await writeFile(path.join(filesFolder(dir, id), 'avatar.png'), 'image')
    await writeFile(path.join(filesFolder(dir, id), 'stray.png.part'), 'ima')
  }
  t.strictSame(await countFiles(dir, 1), { files: 2, bytes: 8 })
  // A file that went between the list and the look at it is one that leads nowhere.
  await symlink('nowhere', path.join(filesFolder(dir, 1), 'vanished.png'))
  t.strictSame(await countFiles(dir, 1), { files: 2, bytes: 8 })
  await removeFiles(dir, 1)
  await removeFiles(dir, 1)
  t.strictSame(await countFiles(dir, 1), { files: 0, bytes: 0 })
  t.strictSame(await readdir(dir), ['11'])
  for (const id of [0, -1, 1.5, Number.NaN]) t.throws(() => filesFolder(dir, id))
})
