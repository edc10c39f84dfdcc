import { chmod, constants, mkdir, open, opendir, rename, rm, stat, unlink } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { batchCalls } from '@lethe/db'
import { assertArchiveName, isArchiveName } from '../names.ts'
import type { Storage, Stored } from './storage.ts'

const PARTIAL_SUFFIX = '.part'
const LIST_BATCH_SIZE = 1_000

/** Stores archives as files of one private folder. A file has a temporary name until its last byte is on the disk. */
export function folderStorage(folder: string): Storage {
  const pathOf = (name: string) => {
    assertArchiveName(name)
    return path.join(folder, name)
  }
  let folderCreated: Promise<void> | undefined
  // One sync that starts after several renames covers all of them.
  const sync = batchCalls(async (calls: undefined[]) => {
    await syncFolder(folder)
    return calls
  })
  return {
    async put(name, signal, write) {
      const file = pathOf(name)
      const partial = file + PARTIAL_SUFFIX
      folderCreated ??= makePrivate(folder)
      await folderCreated.catch((error) => {
        folderCreated = undefined
        throw error
      })
      // `wx`: an existing file belongs to another writer and must not be overwritten or removed.
      const handle = await open(partial, 'wx', 0o600)
      try {
        try {
          await write(createFileSink(handle))
          await handle.sync()
        } finally {
          await handle.close()
        }
        signal.throwIfAborted()
        await rename(partial, file)
        await sync(undefined)
      } catch (error) {
        await rm(partial, { force: true })
        await rm(file, { force: true })
        throw error
      }
    },
    async open(name): Promise<Stored | undefined> {
      const handle = await open(pathOf(name), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
        undefinedIfMissing,
      )
      if (!handle) return undefined
      const { size } = await handle.stat()
      return {
        size,
        read: (first, last) =>
          handle.createReadStream({ start: first, end: last, autoClose: false }),
        close: () => handle.close(),
      }
    },
    async modifiedAt(name) {
      const file = pathOf(name)
      const found =
        (await stat(file + PARTIAL_SUFFIX).catch(undefinedIfMissing)) ??
        (await stat(file).catch(undefinedIfMissing))
      return found?.mtime
    },
    async remove(names) {
      let removed = false
      for (const file of names.map(pathOf))
        for (const one of [file, file + PARTIAL_SUFFIX])
          removed = (await unlinkIfExists(one)) || removed
      if (removed) await sync(undefined)
    },
    async *list() {
      const names = await opendir(folder).catch(undefinedIfMissing)
      if (!names) return
      let found: string[] = []
      for await (const { name: file } of names) {
        const name = file.endsWith(PARTIAL_SUFFIX) ? file.slice(0, -PARTIAL_SUFFIX.length) : file
        if (isArchiveName(name)) found.push(name)
        if (found.length < LIST_BATCH_SIZE) continue
        yield found
        found = []
      }
      if (found.length > 0) yield found
    },
  }
}

function createFileSink(file: Awaited<ReturnType<typeof open>>): Writable {
  return new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, done) {
      file.appendFile(chunk).then(() => done(), done)
    },
  })
}

/** Creates the folder, and restricts it to its owner even if it existed with wider permissions. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
}

/** Makes renames and removals in the folder survive a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function unlinkIfExists(file: string): Promise<boolean> {
  return unlink(file).then(
    () => true,
    (error) => undefinedIfMissing(error) ?? false,
  )
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
