import { chmod, constants, mkdir, open, opendir, rename, rm, stat, unlink } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { batchCalls } from '@lethe/db'
import { assertArchiveName, isArchiveName } from '../names.ts'
import type { Storage, Stored } from './storage.ts'

const BEGUN = '.part'
const NAMES_AT_ONCE = 1_000

/** Archives as files of one folder, its owner's alone. Until the last byte is on the disk, each goes by another name. */
export function folderStorage(folder: string): Storage {
  const at = (name: string) => {
    assertArchiveName(name)
    return path.join(folder, name)
  }
  let made: Promise<void> | undefined
  // One that begins after all of these renames is enough for them.
  const sync = batchCalls(async (calls: undefined[]) => {
    await syncFolder(folder)
    return calls
  })
  return {
    async put(name, signal, write) {
      const file = at(name)
      const begun = file + BEGUN
      made ??= makePrivate(folder)
      await made.catch((error) => {
        made = undefined
        throw error
      })
      // `wx`: a file that is there belongs to somebody else, and is not ours to overwrite or to remove.
      const handle = await open(begun, 'wx', 0o600)
      try {
        try {
          await write(sinkTo(handle))
          await handle.sync()
        } finally {
          await handle.close()
        }
        signal.throwIfAborted()
        await rename(begun, file)
        await sync(undefined)
      } catch (error) {
        await rm(begun, { force: true })
        await rm(file, { force: true })
        throw error
      }
    },
    async open(name): Promise<Stored | undefined> {
      const handle = await open(at(name), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
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
      const file = at(name)
      const found =
        (await stat(file + BEGUN).catch(undefinedIfMissing)) ??
        (await stat(file).catch(undefinedIfMissing))
      return found?.mtime
    },
    async remove(names) {
      let removed = false
      for (const file of names.map(at))
        for (const one of [file, file + BEGUN]) removed = (await wasRemoved(one)) || removed
      if (removed) await sync(undefined)
    },
    async *list() {
      const names = await opendir(folder).catch(undefinedIfMissing)
      if (!names) return
      let found: string[] = []
      for await (const { name: file } of names) {
        const name = file.endsWith(BEGUN) ? file.slice(0, -BEGUN.length) : file
        if (isArchiveName(name)) found.push(name)
        if (found.length < NAMES_AT_ONCE) continue
        yield found
        found = []
      }
      if (found.length > 0) yield found
    },
  }
}

function sinkTo(file: Awaited<ReturnType<typeof open>>): Writable {
  return new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, done) {
      file.appendFile(chunk).then(() => done(), done)
    },
  })
}

/** The folder, there and its owner's alone. It may have been there before, with wider rights. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
}

/** Makes renames and removals in the folder outlive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function wasRemoved(file: string): Promise<boolean> {
  return unlink(file).then(
    () => true,
    (error) => undefinedIfMissing(error) ?? false,
  )
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
