import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import { makePrivate, syncFolder } from './folder.ts'
import { meter } from './meter.ts'
import { newArchiveName } from './names.ts'

export interface MadeArchive {
  fileName: string
  bytes: number
  sha256: Buffer
}

/**
 * Stores what `write` puts into the sink. Until the last byte is on the disk it lies under `partName`;
 * then it is renamed to a name nobody can guess. Whatever goes wrong leaves neither.
 */
export async function writeAside(
  folder: string,
  partName: string,
  signal: AbortSignal,
  write: (sink: Writable) => Promise<void>,
): Promise<MadeArchive> {
  await makePrivate(folder)
  const part = path.join(folder, partName)
  // `wx`: a file that is there belongs to somebody else, and is not ours to overwrite or to remove.
  const file = await open(part, 'wx', 0o600)
  try {
    const written = await fill(file, write)
    signal.throwIfAborted()
    return { fileName: await publish(folder, part), ...written }
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

async function fill(file: FileHandle, write: (sink: Writable) => Promise<void>) {
  const { add, result } = meter()
  const sink = new Writable({
    highWaterMark: 256 * 1024,
    write(chunk: Buffer, _encoding, done) {
      add(chunk)
      file.appendFile(chunk).then(() => done(), done)
    },
  })
  try {
    await write(sink)
    await file.sync()
  } finally {
    await file.close()
  }
  return result()
}

async function publish(folder: string, part: string): Promise<string> {
  const name = newArchiveName()
  await rename(part, path.join(folder, name))
  try {
    await syncFolder(folder)
  } catch (error) {
    await rm(path.join(folder, name), { force: true })
    throw error
  }
  return name
}
