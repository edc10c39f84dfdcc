import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Decrypter } from 'age-encryption'
import t from 'tap'
import { ArchiveDamaged, makeArchive, openArchive, openStorage, removeDead } from '../src/index.ts'
import { identityOf } from '../src/seal.ts'
import {
  addUser,
  askForDeletion,
  eraseAfter,
  key,
  type Scene,
  saveManyPasswords,
  scene,
} from './setup.ts'

const name = () => `${randomUUID()}.${randomUUID()}.zip.age`
const notNames = ['../x', '..', 'x.zip', `../${name()}`, `${name()}/..`, `${name()}.part`, '']

t.test(
  'an archive is read whole, or a range of it, wherever the range begins and ends',
  async (t) => {
    const at = await anArchive(t, 2_000)
    const { storage, made, whole } = at
    const read = async (range?: { start: number; end: number }) => {
      const opened = await openArchive(storage, { ...made, key }, range)
      return opened && (await buffer(opened.stream))
    }
    t.strictSame(await read(), whole)
    t.ok(whole.length > 3 * PIECE, 'it has several pieces')
    const last = whole.length - 1
    const ends = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE, last - 1, last]
    for (const start of ends)
      for (const end of ends.filter((end) => end >= start))
        t.ok(
          whole.subarray(start, end + 1).equals((await read({ start, end })) ?? Buffer.alloc(0)),
          `${start}-${end}`,
        )
    t.strictSame(await read({ start: last, end: 1e9 }), whole.subarray(last))
  },
)

const PIECE = 64 * 1024

t.test('a range without a byte of the archive is refused', async (t) => {
  const { storage, made, whole } = await anArchive(t)
  for (const [start, end] of [
    [whole.length, whole.length],
    [5, 4],
    [-1, 5],
    [0.5, 5],
    [0, Number.NaN],
  ])
    await t.rejects(openArchive(storage, { ...made, key }, { start, end } as never), RangeError)
})

t.test(
  'what lies there is sealed as age says: whoever knows age opens it with the key',
  async (t) => {
    const { made, whole, exportDir } = await anArchive(t)
    const sealed = await readFile(path.join(exportDir, made.fileName))
    t.match(sealed.toString('latin1'), /^age-encryption\.org\/v1\n-> X25519 /)
    t.notOk(sealed.includes('ada@example.com'))
    t.notOk(sealed.includes('manifest.json'))
    const age = new Decrypter()
    age.addIdentity(await identityOf(key))
    t.ok(whole.equals(await age.decrypt(sealed)))
  },
)

t.test('another key opens nothing', async (t) => {
  const { storage, made } = await anArchive(t)
  await t.rejects(openArchive(storage, { ...made, key: randomBytes(32) }), ArchiveDamaged)
})

t.test('a changed byte anywhere is found, and so is a missing end', async (t) => {
  const { storage, exportDir, made, whole } = await anArchive(t, 500)
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
    await t.rejects(read(), ArchiveDamaged, `byte ${place}`)
  }
  for (const length of [0, 10, 180, 250, PIECE + 16 + 200, sealed.length - 1]) {
    await writeFile(file, sealed.subarray(0, length))
    await t.rejects(read(), ArchiveDamaged, `only ${length} bytes`)
  }
  await writeFile(file, sealed)
  t.ok(whole.equals((await read()) ?? Buffer.alloc(0)))
})

t.test('up to a damaged piece all is as it was, and nothing of it is given out', async (t) => {
  const { storage, exportDir, made, whole } = await anArchive(t, 2_000)
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
  await t.rejects(reading, ArchiveDamaged)
  const all = Buffer.concat(read)
  t.ok(all.length <= PIECE && all.equals(whole.subarray(0, all.length)))
})

t.test('what is not there is not opened', async (t) => {
  const { storage, made, exportDir } = await anArchive(t)
  t.equal(await openArchive(storage, { ...made, key, fileName: name() }), undefined)
  const nowhere = openStorage(path.join(exportDir, 'nowhere'))
  t.equal(await openArchive(nowhere, { ...made, key }), undefined)
})

t.test('an archive that is being read while it is removed is read to its end', async (t) => {
  const { storage, made, whole } = await anArchive(t)
  const opened = await openArchive(storage, { ...made, key })
  await storage.remove([made.fileName])
  t.ok(opened && (await buffer(opened.stream)).equals(whole))
})

t.test('no name leads out of the folder', async (t) => {
  const { readers, storage, made, exportDir, optionsFor } = await anArchive(t)
  for (const fileName of notNames) {
    await t.rejects(openArchive(storage, { ...made, key, fileName }), TypeError, fileName)
    await t.rejects(storage.remove([fileName]), TypeError, fileName)
    const options = optionsFor(1)
    await t.rejects(makeArchive(readers, storage, { ...options, exportId: fileName }), TypeError)
    await t.rejects(makeArchive(readers, storage, { ...options, lease: fileName }), TypeError)
  }
  const link = name()
  await symlink('/etc/passwd', path.join(exportDir, link))
  await t.rejects(openArchive(storage, { ...made, key, fileName: link }), { code: 'ELOOP' })
})

t.test('a removal takes the archive, whole or begun, and nothing else', async (t) => {
  const { exportDir, storage, made, stored } = await anArchive(t)
  const [begun, other] = [name(), name()]
  for (const file of [`${begun}.part`, other, 'notes.txt'])
    await writeFile(path.join(exportDir, file), 'x')
  await storage.remove([made.fileName, begun])
  t.strictSame(new Set(await stored()), new Set([other, 'notes.txt']))
  await storage.remove([made.fileName])
  t.strictSame(new Set(await stored()), new Set([other, 'notes.txt']), 'a second time')
  await openStorage(path.join(exportDir, 'nowhere')).remove([made.fileName])
})

t.test(
  'what nobody waits for goes, however young it is; what a row names or holds stays',
  async (t) => {
    const at = await anArchive(t)
    const { db, exportDir, storage } = at
    const named = await exportRow(at, { status: 'ready', file_name: at.made.fileName })
    const held = await exportRow(at, { lease: randomUUID() })
    const released = await exportRow(at, { status: 'withdrawn', token_nonce: null })
    const live = `${held.id}.${held.lease}.zip.age`
    const dead = [
      `${held.id}.${randomUUID()}.zip.age.part`,
      `${held.id}.${randomUUID()}.zip.age`,
      `${released.id}.${randomUUID()}.zip.age`,
      `${named.id}.${randomUUID()}.zip.age`,
      `${randomUUID()}.${randomUUID()}.zip.age.part`,
    ]
    for (const file of [...dead, `${live}.part`, 'notes.txt'])
      await writeFile(path.join(exportDir, file), 'x')
    t.equal(await removeDead(db, storage), dead.length)
    const left = [at.made.fileName, `${live}.part`, 'notes.txt']
    t.strictSame(new Set(await at.stored()), new Set(left))
    await rm(exportDir, { recursive: true })
    t.equal(await removeDead(db, storage), 0, 'nothing was ever stored')
  },
)

async function anArchive(t: Parameters<typeof scene>[0], rows = 0) {
  const at = await scene(t)
  await mkdir(at.exportDir)
  const id = await addUser(at.db, 'ada')
  // Of random text, which stays as long as it is.
  await saveManyPasswords(at.db, id, rows)
  const options = at.optionsFor(id)
  const made = await makeArchive(at.readers, at.storage, options)
  const whole = await at.opened(made)
  return { ...at, id, exportId: options.exportId, made, whole }
}

type Values = {
  status?: 'ready' | 'withdrawn'
  file_name?: string
  lease?: string
  token_nonce?: null
}

/** The one whose archive it is, where it is ready; it is named by its own id. */
async function exportRow({ db, made }: Scene & { made: { fileName: string } }, values: Values) {
  const token_hash = randomBytes(32)
  const user_id = await addUser(db, randomUUID())
  const deletion_id = await askForDeletion(db, user_id, null)
  const ready = {
    ...{ bytes: 1, sha256: token_hash, created_at: eraseAfter, expires_at: eraseAfter },
    id: made.fileName.slice(0, 36),
  }
  const row = await db
    .insertInto('exports')
    .values({
      ...{ deletion_id, user_id, token_hash, token_nonce: token_hash },
      ...(values.status === 'ready' && ready),
      ...values,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { id: row.id, lease: values.lease }
}
