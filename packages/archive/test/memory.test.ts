import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { addUser, createTestContext, saveManyPasswords } from './setup.ts'

const child = path.join(import.meta.dirname, 'make-in-child.ts')

// V8 grows its young generation if there is much memory. A small one makes the peak show what the code holds.
const flags = ['--max-semi-space-size=4']
const mebibyte = 1024 * 1024

t.test('three hundred thousand saved passwords take no more memory than a few', async (t) => {
  const { db, url, exportDir, uploadDir } = await createTestContext(t)
  const few = await addUser(db, 'few')
  const many = await addUser(db, 'many')
  await saveManyPasswords(db, few, 1_000)
  await saveManyPasswords(db, many, 300_000)

  const peak = async (id: number) => {
    const args = [...flags, child, url, String(id), exportDir, uploadDir]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    return JSON.parse(stdout) as { bytes: number; peakBytes: number }
  }
  const [small, large] = [await peak(few), await peak(many)]
  t.ok(large.bytes > 200 * small.bytes, 'all of them are in it')
  const grown = Math.round((large.peakBytes - small.peakBytes) / mebibyte)
  t.comment(`peak ${Math.round(large.peakBytes / mebibyte)} MiB`)
  t.ok(grown < 96, `grown by ${grown} MiB for some 80 MiB of JSON and as much CSV`)
})
