import type { SnapshotPool } from '@lethe/db'
import { type CollectOptions, collect } from './collect/collect.ts'
import { createPersonReader, type ReadPerson } from './collect/read-person.ts'
import { sealInto } from './crypto/seal-into.ts'
import { archiveName } from './names.ts'
import type { Storage } from './storage/storage.ts'
import { type WrittenZip, writeZip } from './zip/zip.ts'

export interface ArchiveOptions extends CollectOptions {
  exportId: string
  /** The lease of this attempt. It is part of the archive's name, so each attempt writes to its own name. */
  lease: string
  /** The archive's own key, 32 bytes. The stored archive cannot be read without it. */
  key: Buffer
  /** On abort, the work stops, nothing is left in the storage, and the promise rejects with the signal's reason. */
  signal: AbortSignal
}

export interface MadeArchive extends WrittenZip {
  fileName: string
}

/**
 * Streams all data of `userId` into one sealed ZIP, which the storage shows under its name only when it is complete. The
 * caller writes the file name to the export's row: an archive that no row names is removed later. Fails if the person has been erased.
 * `bytes` and `sha256` describe the ZIP before it is sealed.
 */
export async function makeArchive(
  readers: SnapshotPool,
  storage: Storage,
  options: ArchiveOptions,
): Promise<MadeArchive> {
  const { plan, userId, signal } = options
  return storeArchive(storage, createPersonReader(readers, plan, userId, signal), options)
}

/** Like `makeArchive`, with the rows that `readPerson` provides. */
export async function storeArchive(
  storage: Storage,
  readPerson: ReadPerson,
  options: ArchiveOptions,
): Promise<MadeArchive> {
  const { exportId, lease, key, signal } = options
  signal.throwIfAborted()
  const fileName = archiveName(exportId, lease)
  let made: WrittenZip | undefined
  try {
    await storage.put(fileName, signal, (sink) =>
      sealInto(sink, key, signal, async (plain) => {
        made = await writeZip(plain, (openZip) => collect(readPerson, options, openZip))
      }),
    )
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  if (!made) throw new Error('the storage took an archive that was not written')
  return { fileName, ...made }
}
