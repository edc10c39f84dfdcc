import { execFile } from 'node:child_process'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { openArchive } from '../src/index.ts'
import { addUser, key, saveManyPasswords, scene } from './setup.ts'
import { unzip } from './unzip.ts'

const child = path.join(import.meta.dirname, 'make-in-child.ts')
t.setTimeout(120_000)

// V8 lets its young generation grow where memory is plenty; kept small, what remains is what we hold.
const flags = ['--max-semi-space-size=4']
const mebibyte = 1024 * 1024

t.test('three hundred thousand saved passwords take no more memory than a few', async (t) => {
  const { db, url, storage, exportDir, uploadDir } = await scene(t)
  const few = await addUser(db, 'few')
  const many = await addUser(db, 'many')
  await saveManyPasswords(db, few, 1_000)
  await saveManyPasswords(db, many, 300_000)

  const peak = async (id: number) => {
    const args = [...flags, child, url, String(id), exportDir, uploadDir]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { peakBytes, sha256, ...made } = JSON.parse(stdout)
    const opened = await openArchive(storage, { ...made, key })
    if (!opened) throw new Error('it is not there')
    const entries = await unzip(await buffer(opened.stream))
    const { entries: told } = JSON.parse(String(entries.get('manifest.json')))
    const rows = told.find(({ name }: { name: string }) => name === 'data/saved-passwords.csv').rows
    return { rows, peakBytes }
  }
  const [small, large] = [await peak(few), await peak(many)]
  t.strictSame([small.rows, large.rows], [1_000, 300_000])
  const grown = Math.round((large.peakBytes - small.peakBytes) / mebibyte)
  t.comment(`peak ${Math.round(large.peakBytes / mebibyte)} MiB`)
  t.ok(grown < 96, `grown by ${grown} MiB for some 80 MiB of JSON and as much CSV`)
})
