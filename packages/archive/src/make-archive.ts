import type { SnapshotPool } from '@lethe/db'
import { type CollectOptions, collect } from './collect/collect.ts'
import { personReader, type ReadPerson } from './collect/read-person.ts'
import { sealInto } from './crypto/seal-into.ts'
import { archiveName } from './names.ts'
import type { Storage } from './storage/storage.ts'
import { type Written, writeZip } from './zip/zip.ts'

export interface ArchiveOptions extends CollectOptions {
  exportId: string
  /** The lease under which this try runs: each try stores under a name of its own. */
  lease: string
  /** The archive's own: 32 bytes. Without it nobody can read what is stored. */
  key: Buffer
  /** Stops at once, leaving nothing; the promise is rejected with the signal's reason. */
  signal: AbortSignal
}

export interface MadeArchive extends Written {
  fileName: string
}

/**
 * Streams everything that is `userId`'s into one ZIP, sealed; it can be read only when it is whole. Whoever calls it puts the
 * name into the row of the export: an archive that no row names is removed. Fails where the person was erased in
 * the meantime. `bytes` and `sha256` are of the ZIP, as it is when it is opened.
 */
export async function makeArchive(
  readers: SnapshotPool,
  storage: Storage,
  options: ArchiveOptions,
): Promise<MadeArchive> {
  const { plan, userId, signal } = options
  return storeArchive(storage, personReader(readers, plan, userId, signal), options)
}

/** The same of what is read by `readPerson`. */
export async function storeArchive(
  storage: Storage,
  readPerson: ReadPerson,
  options: ArchiveOptions,
): Promise<MadeArchive> {
  const { exportId, lease, key, signal } = options
  signal.throwIfAborted()
  const fileName = archiveName(exportId, lease)
  let made: Written | undefined
  try {
    await storage.put(fileName, signal, (sink) =>
      sealInto(sink, key, signal, async (plain) => {
        made = await writeZip(plain, (zipOf) => collect(readPerson, options, zipOf))
      }),
    )
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
  if (!made) throw new Error('the storage took an archive that was not written')
  return { fileName, ...made }
}
