import { randomBytes, randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { verifyArchive } from '../src/index.ts'
import { writeZip } from '../src/zip/zip.ts'
import { addUser, createTestContext, putAvatar, savePassword } from './setup.ts'
import { unzip } from './unzip.ts'

t.test('finds no fault in an unchanged archive', async (t) => {
  const { file, bytes } = await downloadArchive(t)
  await writeFile(file, bytes)
  const { faults, entries, madeAt } = await verifyArchive(file)
  t.strictSame(faults, [])
  t.ok(entries > 10)
  t.match(madeAt, /^\d{4}-/)
})

t.test('detects a changed byte anywhere, and names its file', async (t) => {
  const { file, bytes } = await downloadArchive(t)
  // Evenly spaced bytes reach every kind of record; random ones and the last 120 are added.
  const places = Array.from({ length: 150 }, (_, n) => Math.floor((n * bytes.length) / 150))
  for (let n = 0; n < 100; n++) places.push(randomInt(bytes.length))
  for (let back = 1; back <= 120; back++) places.push(bytes.length - back)
  let named = 0
  for (const place of places) {
    const changed = Buffer.from(bytes)
    changed[place] = (changed[place] ?? 0) ^ (1 << randomInt(8))
    await writeFile(file, changed)
    const { faults } = await verifyArchive(file)
    t.ok(faults.length > 0, `byte ${place} of ${bytes.length}`)
    if (faults.some((fault) => /^(data|schema|files|README|index|manifest)/.test(fault))) named++
  }
  t.ok(named > 50, `${named} of them in a file`)
  const picture = bytes.indexOf('this is the picture')
  const changed = Buffer.from(bytes)
  changed[picture] = 0x54
  await writeFile(file, changed)
  t.strictSame((await verifyArchive(file)).faults, ['files/avatars/1.jpg was changed.'])
})

t.test('detects an archive that was cut off or extended', async (t) => {
  const { file, bytes } = await downloadArchive(t)
  for (const length of [0, 1, 100, bytes.length - 1]) {
    await writeFile(file, bytes.subarray(0, length))
    t.match((await verifyArchive(file)).faults, [/cut off/], `${length} bytes`)
  }
  await writeFile(file, Buffer.concat([bytes, Buffer.from('more')]))
  t.match((await verifyArchive(file)).faults, [/cut off/])
})

t.test('names a file that was added, removed or replaced', async (t) => {
  const { file, entries } = await downloadArchive(t)
  const pack = async (change: (all: Map<string, Buffer>) => void) => {
    const all = new Map(entries)
    change(all)
    await writeFile(file, await packZip(all))
    return (await verifyArchive(file)).faults
  }
  t.strictSame(await pack(() => {}), [])
  t.strictSame(await pack((all) => all.set('extra.txt', Buffer.from('x'))), [
    'extra.txt was added after the archive was made.',
  ])
  t.strictSame(await pack((all) => all.delete('data/sessions.csv')), [
    'data/sessions.csv is missing.',
  ])
  t.strictSame(await pack((all) => all.set('data/profile.json', Buffer.from('[]'))), [
    'data/profile.json was changed.',
  ])
  t.match(await pack((all) => all.delete('manifest.json')), [/^manifest\.json/])
  for (const manifest of ['{}', '{"madeAt": "now", "entries": [null]}', 'x'])
    t.match(await pack((all) => all.set('manifest.json', Buffer.from(manifest))), [
      /^manifest\.json/,
    ])
})

/** Packs the entries with a valid hash at the end, as an attacker who replaces a file could. */
async function packZip(entries: Map<string, Buffer>): Promise<Buffer> {
  const sink = new PassThrough()
  const all = buffer(sink)
  await writeZip(sink, async (openZip) => {
    for (const [name, bytes] of entries) await openZip(new Date()).add(name, bytes)
  })
  return all
}

async function downloadArchive(t: Test) {
  const ctx = await createTestContext(t)
  const id = await addUser(ctx.db, 'ada')
  for (let n = 0; n < 50; n++)
    await savePassword(ctx.db, id, { site: `https://${randomBytes(8).toString('hex')}.example` })
  await putAvatar(ctx, id, Buffer.from('this is the picture'))
  const bytes = await ctx.readArchive(await ctx.make(id))
  return { file: path.join(t.testdirName, 'a.zip'), bytes, entries: await unzip(bytes) }
}
