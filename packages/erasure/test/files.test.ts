import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { countFiles, type DataMap, personFolder, removeFiles } from '../src/index.ts'

const map: DataMap = {
  person: { table: 'people', key: 'id' },
  tables: {},
  folders: {
    'pictures/{person}': { description: 'what they uploaded', export: 'pictures' },
    '{person}/invoices': {
      description: 'what they were billed',
      export: 'invoices',
      retain: { reason: 'tax law', until: 'ten years after the year of the invoice' },
    },
  },
}

t.test('removes folders with stray files; a second run finds nothing', async (t) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const pictures = (id: number) => personFolder(dir, 'pictures/{person}', id)
  for (const id of [1, 11]) {
    await mkdir(path.join(pictures(id), 'small'), { recursive: true })
    await writeFile(path.join(pictures(id), 'avatar.png'), 'image')
    await writeFile(path.join(pictures(id), 'small', 'stray.png.part'), 'ima')
    await mkdir(personFolder(dir, '{person}/invoices', id), { recursive: true })
    await writeFile(path.join(personFolder(dir, '{person}/invoices', id), '1.pdf'), 'kept')
  }
  t.strictSame(await countFiles(dir, map, 1), { files: 2, bytes: 8 })
  // A dangling symlink stands for a file that disappears between readdir and stat.
  await symlink('nowhere', path.join(pictures(1), 'vanished.png'))
  t.strictSame(await countFiles(dir, map, 1), { files: 2, bytes: 8 })
  await removeFiles(dir, map, 1)
  await removeFiles(dir, map, 1)
  t.strictSame(await countFiles(dir, map, 1), { files: 0, bytes: 0 })
  t.strictSame(await readdir(path.join(dir, 'pictures')), ['11'])
  t.strictSame(await readdir(path.join(dir, '1', 'invoices')), ['1.pdf'], 'kept files stay')
  for (const id of [0, -1, 1.5, Number.NaN]) t.throws(() => personFolder(dir, '{person}', id))
})
