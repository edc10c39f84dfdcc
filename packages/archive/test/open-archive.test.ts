import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Decrypter } from 'age-encryption'
import t from 'tap'
import { importIdentity } from '../src/crypto/seal.ts'
import { ArchiveDamagedError, openArchive } from '../src/index.ts'
import { key } from './setup.ts'
import { createTestArchive } from './test-archive.ts'

const PIECE = 64 * 1024

t.test('rejects a range that contains no byte of the archive', async (t) => {
  const { storage, made, whole } = await createTestArchive(t)
  for (const [start, end] of [
    [whole.length, whole.length],
    [5, 4],
    [-1, 5],
    [0.5, 5],
    [0, Number.NaN],
  ])
    await t.rejects(openArchive(storage, { ...made, key }, { start, end } as never), RangeError)
})

t.test('the stored file is valid age: the age library opens it with the key', async (t) => {
  const { made, whole, exportDir } = await createTestArchive(t)
  const sealed = await readFile(path.join(exportDir, made.fileName))
  t.match(sealed.toString('latin1'), /^age-encryption\.org\/v1\n-> X25519 /)
  t.notOk(sealed.includes('ada@example.com'))
  t.notOk(sealed.includes('manifest.json'))
  const age = new Decrypter()
  age.addIdentity(await importIdentity(key))
  t.ok(whole.equals(await age.decrypt(sealed)))
})

t.test('another key does not open it', async (t) => {
  const { storage, made } = await createTestArchive(t)
  await t.rejects(openArchive(storage, { ...made, key: randomBytes(32) }), ArchiveDamagedError)
})

t.test('detects a changed byte anywhere, and a missing end', async (t) => {
  const { storage, exportDir, made, whole } = await createTestArchive(t, 500)
  const file = path.join(exportDir, made.fileName)
  const sealed = await readFile(file)
  const read = async () => {
    const opened = await openArchive(storage, { ...made, key })
    return opened && (await buffer(opened.stream))
  }
  const places = [0, 25, 60, 120, 170, 200, 216, 217, 250, 65_000, 65_760, sealed.length - 1]
  for (const place of [...places, ...Array.from({ length: 40 }, (_, n) => n * 3 + 100)]) {
    const changed = Buffer.from(sealed)
    changed[place] = (changed[place] ?? 0) ^ 1
    await writeFile(file, changed)
    await t.rejects(read(), ArchiveDamagedError, `byte ${place}`)
  }
  for (const length of [0, 10, 180, 250, PIECE + 16 + 200, sealed.length - 1]) {
    await writeFile(file, sealed.subarray(0, length))
    await t.rejects(read(), ArchiveDamagedError, `only ${length} bytes`)
  }
  await writeFile(file, sealed)
  t.ok(whole.equals((await read()) ?? Buffer.alloc(0)))
})

t.test('emits the bytes before a damaged piece, and none of that piece', async (t) => {
  const { storage, exportDir, made, whole } = await createTestArchive(t, 2_000)
  const file = path.join(exportDir, made.fileName)
  const sealed = await readFile(file)
  const place = sealed.length - whole.length + PIECE + 5
  sealed[place] = (sealed[place] ?? 0) ^ 1
  await writeFile(file, sealed)
  const opened = await openArchive(storage, { ...made, key })
  const read: Buffer[] = []
  const reading = (async () => {
    for await (const chunk of opened?.stream ?? []) read.push(chunk as Buffer)
  })()
  await t.rejects(reading, ArchiveDamagedError)
  const all = Buffer.concat(read)
  t.ok(all.length <= PIECE && all.equals(whole.subarray(0, all.length)))
})
