import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { withClockAhead } from '@lethe/db/testing'
import type { Test } from 'tap'
import {
  makeArchive,
  openArchive,
  openStorage,
  removeOrphanedArchives,
  type Storage,
} from '../src/index.ts'
import { key } from './setup.ts'
import { addExport, createTestArchive, recordAttempt } from './test-archive.ts'

/** A storage to test, with access to it that bypasses the code under test. */
export interface StorageUnderTest {
  /** The value of EXPORT_DIR. */
  where: string
  /** The names of all files or objects; partial ones end in `.part`. */
  listFiles(): Promise<string[]>
  /** Adds a file or object; a name ending in `.part` makes a partial one. */
  addFile(file: string): Promise<void>
}

export const newName = () => `${randomUUID()}.${randomUUID()}.zip.age`
const invalidNames = [
  '../x',
  '..',
  'x.zip',
  `../${newName()}`,
  `${newName()}/..`,
  `${newName()}.part`,
  '',
]

const mebibyte = 1024 * 1024
const child = path.join(import.meta.dirname, 'put-in-child.ts')
const neverAborted = new AbortController().signal

/** The tests that every storage must pass. */
export function testStorageContract(
  t: Test,
  placeFor: (t: Test) => Promise<StorageUnderTest>,
): void {
  t.test('reads an archive completely, or any range of it', async (t) => {
    const { where } = await placeFor(t)
    const { storage, made, whole } = await createTestArchive(t, 2_000, where)
    const read = async (range?: { start: number; end: number }) => {
      const opened = await openArchive(storage, { ...made, key }, range)
      return opened && (await buffer(opened.stream))
    }
    t.strictSame(await read(), whole)
    t.ok(whole.length > 3 * PIECE_BYTES, 'it has several pieces')
    const last = whole.length - 1
    const ends = [
      0,
      1,
      PIECE_BYTES - 1,
      PIECE_BYTES,
      PIECE_BYTES + 1,
      2 * PIECE_BYTES,
      3 * PIECE_BYTES,
      last - 1,
      last,
    ]
    for (const start of ends)
      for (const end of ends.filter((end) => end >= start))
        t.ok(
          whole.subarray(start, end + 1).equals((await read({ start, end })) ?? Buffer.alloc(0)),
          `${start}-${end}`,
        )
    t.strictSame(await read({ start: last, end: 1e9 }), whole.subarray(last))
  })

  t.test('returns long and empty content unchanged', async (t) => {
    const storage = openStorage((await placeFor(t)).where)
    for (const bytes of [
      randomBytes(20 * mebibyte + 1),
      randomBytes(16 * mebibyte),
      Buffer.alloc(0),
    ]) {
      const one = newName()
      await storage.put(one, neverAborted, (sink) => pipeline(inChunks(bytes), sink))
      t.ok(bytes.equals(await readAll(storage, one)), `${bytes.length} bytes`)
    }
  })

  t.test('does not open a missing archive', async (t) => {
    const storage = openStorage((await placeFor(t)).where)
    t.equal(await storage.open(newName()), undefined)
    t.strictSame(await listAll(storage), [], 'nothing was stored')
    await storage.remove([newName()])
  })

  t.test('rejects names that lead out of the storage', async (t) => {
    const { where } = await placeFor(t)
    const { readers, storage, made, optionsFor } = await createTestArchive(t, 0, where)
    for (const fileName of invalidNames) {
      await t.rejects(openArchive(storage, { ...made, key, fileName }), TypeError, fileName)
      await t.rejects(storage.remove([fileName]), TypeError, fileName)
      await t.rejects(
        storage.put(fileName, neverAborted, async () => {}),
        TypeError,
        fileName,
      )
      const options = optionsFor(1)
      await t.rejects(makeArchive(readers, storage, { ...options, exportId: fileName }), TypeError)
      await t.rejects(makeArchive(readers, storage, { ...options, lease: fileName }), TypeError)
    }
  })

  t.test('an archive cannot be read before it is complete', async (t) => {
    const { where, listFiles } = await placeFor(t)
    const storage = openStorage(where)
    const one = newName()
    await storage.put(one, neverAborted, async (sink) => {
      await pipeline(inChunks(randomBytes(20 * mebibyte)), sink)
      t.equal(await storage.open(one), undefined)
      t.strictSame(await listAll(storage), [one], 'it is listed')
      t.strictSame(await listFiles(), [`${one}.part`])
    })
    t.strictSame(await listFiles(), [one])
  })

  t.test('a put that fails midway leaves nothing', async (t) => {
    const { where, listFiles } = await placeFor(t)
    const storage = openStorage(where)
    const one = newName()
    const reason = new Error('the database went away')
    const failed = storage.put(one, neverAborted, async (sink) => {
      await pipeline(inChunks(randomBytes(20 * mebibyte)), sink)
      throw reason
    })
    await t.rejects(failed, reason)
    t.equal(await storage.open(one), undefined)
    t.strictSame(await listFiles(), [])
  })

  t.test('an abort leaves nothing, midway or at the very end', async (t) => {
    const { where, listFiles } = await placeFor(t)
    const storage = openStorage(where)
    const stop = new AbortController()
    const endless = Readable.from(
      (async function* () {
        for (let sent = 0; ; sent++) {
          if (sent === 20) stop.abort()
          yield randomBytes(mebibyte)
        }
      })(),
    )
    const stopped = storage.put(newName(), stop.signal, (sink) =>
      pipeline(endless, sink, { signal: stop.signal }),
    )
    await t.rejects(stopped, { name: 'AbortError' })
    const late = new AbortController()
    const stoppedLate = storage.put(newName(), late.signal, async (sink) => {
      await pipeline(inChunks(randomBytes(1_000)), sink)
      late.abort()
    })
    await t.rejects(stoppedLate, { name: 'AbortError' })
    t.strictSame(await listFiles(), [])
  })

  t.test('of two writers of one name, one wins and the other changes nothing', async (t) => {
    const { where, listFiles } = await placeFor(t)
    const storage = openStorage(where)
    const one = newName()
    const [begun, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const [first, second] = [randomBytes(1_000), randomBytes(2_000)]
    const firstPut = storage.put(one, neverAborted, async (sink) => {
      begun.resolve()
      await release.promise
      await pipeline(inChunks(first), sink)
    })
    await begun.promise
    const [secondOutcome] = await Promise.allSettled([
      storage.put(one, neverAborted, (sink) => pipeline(inChunks(second), sink)),
    ])
    release.resolve()
    const outcomes = [...(await Promise.allSettled([firstPut])), secondOutcome]
    const won = outcomes.findIndex(({ status }) => status === 'fulfilled')
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    t.ok((await readAll(storage, one)).equals([first, second][won] ?? Buffer.alloc(0)))
    t.strictSame(await listFiles(), [one])
  })

  t.test('removes an archive, complete or partial, and nothing else', async (t) => {
    const { where, listFiles, addFile } = await placeFor(t)
    const { storage, made } = await createTestArchive(t, 0, where)
    const [begun, other] = [newName(), newName()]
    for (const file of [`${begun}.part`, other, 'notes.txt']) await addFile(file)
    await storage.remove([made.fileName, begun])
    t.strictSame(new Set(await listFiles()), new Set([other, 'notes.txt']))
    await storage.remove([made.fileName])
    t.strictSame(new Set(await listFiles()), new Set([other, 'notes.txt']), 'a second time')
  })

  t.test('an attempt whose file was removed meanwhile fails, and leaves nothing', async (t) => {
    const { where, listFiles } = await placeFor(t)
    const storage = openStorage(where)
    const one = newName()
    const swept = storage.put(one, neverAborted, async (sink) => {
      await storage.remove([one])
      await pipeline(inChunks(randomBytes(1_000)), sink)
    })
    await t.rejects(swept)
    t.equal(await storage.open(one), undefined)
    t.strictSame(await listFiles(), [])
  })

  t.test(
    'removes recorded archives that are a day old, and keeps those that a row names or leases',
    async (t) => {
      const { where, listFiles, addFile } = await placeFor(t)
      const ctx = await createTestArchive(t, 0, where)
      const { db, storage } = ctx
      const named = await addExport(ctx, { status: 'ready', file_name: ctx.made.fileName })
      const held = await addExport(ctx, { lease: randomUUID() })
      const released = await addExport(ctx, { status: 'withdrawn', token_nonce: null })
      const live = `${held.id}.${held.lease}.zip.age`
      const dead = [
        `${held.id}.${randomUUID()}.zip.age.part`,
        `${held.id}.${randomUUID()}.zip.age`,
        `${released.id}.${randomUUID()}.zip.age`,
        `${named.id}.${randomUUID()}.zip.age`,
      ]
      const stranger = `${held.id}.${randomUUID()}.zip.age`
      for (const file of [...dead, `${live}.part`, 'notes.txt', stranger]) await addFile(file)
      for (const file of [...dead, live, ctx.made.fileName]) await recordAttempt(db, file)
      const tomorrow = await withClockAhead(t, ctx, 2)
      t.equal(await removeOrphanedArchives(db, storage), 0, 'nothing is a day old')
      const removed: string[] = []
      t.equal(
        await removeOrphanedArchives(tomorrow, storage, {
          removed: (id) => removed.push(id),
          failed: (id) => t.fail(id),
        }),
        dead.length,
      )
      t.strictSame(new Set(removed), new Set(dead.map((file) => file.slice(0, 36))))
      const left = [ctx.made.fileName, `${live}.part`, 'notes.txt', stranger]
      t.strictSame(new Set(await listFiles()), new Set(left))
      t.equal(await removeOrphanedArchives(tomorrow, storage), 0)
    },
  )

  t.test(
    'a killed process leaves nothing that can be read, and the sweep removes its leftovers',
    async (t) => {
      const { where, listFiles } = await placeFor(t)
      const ctx = await createTestArchive(t, 0, where)
      const { db, storage, made } = ctx
      await storage.remove([made.fileName])
      const one = `${(await addExport(ctx, {})).id}.${randomUUID()}.zip.age`
      await recordAttempt(db, one)
      const killed = spawn(process.execPath, [child, where, one, '40', 'and waits'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => killed.kill('SIGKILL'))
      await once(killed.stdout, 'data')
      await kill(killed)
      t.equal(await storage.open(one), undefined)
      t.strictSame(await listFiles(), [`${one}.part`])
      t.equal(await removeOrphanedArchives(await withClockAhead(t, ctx, 2), storage), 1)
      t.strictSame(await listFiles(), [])
      t.strictSame(await listAll(storage), [])
    },
  )

  t.test('storing ten times as much takes no more memory', async (t) => {
    const { where } = await placeFor(t)
    const [small, large] = [await measurePeak(where, 20), await measurePeak(where, 200)]
    const grown = Math.round((large - small) / mebibyte)
    t.comment(`peak ${Math.round(large / mebibyte)} MiB`)
    t.ok(grown < 32, `grown by ${grown} MiB`)
  })
}

const PIECE_BYTES = 64 * 1024

const inChunks = (bytes: Buffer) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES)
        yield bytes.subarray(at, at + PIECE_BYTES)
    })(),
  )

export async function readAll(storage: Storage, name: string): Promise<Buffer> {
  const stored = await storage.open(name)
  if (!stored) throw new Error('it is not there')
  const bytes = stored.size > 0 ? await buffer(stored.read(0, stored.size - 1)) : Buffer.alloc(0)
  await stored.close()
  return bytes
}

export async function listAll(storage: Storage): Promise<string[]> {
  const names: string[] = []
  for await (const some of storage.list()) names.push(...some)
  return names
}

async function kill(process: ChildProcess): Promise<void> {
  const ended = once(process, 'exit')
  process.kill('SIGKILL')
  await ended
}

/** The peak memory, in bytes, of a process that stores `size` MiB. */
async function measurePeak(where: string, size: number): Promise<number> {
  // V8 grows its young generation if there is much memory. A small one makes the peak show what the code holds.
  const args = ['--max-semi-space-size=4', child, where, newName(), String(size)]
  const stores = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return Number(String(await buffer(stores.stdout)))
}
