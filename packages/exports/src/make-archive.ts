import type { Db } from '@lethe/db'
import { type GatherOptions, gather } from './gather.ts'
import { partName } from './names.ts'
import { inSnapshot } from './snapshot.ts'
import { type MadeArchive, writeAside } from './write-aside.ts'
import { writeZip } from './zip.ts'

export interface ArchiveOptions extends GatherOptions {
  exportId: string
  /** The lease under which this try runs: each try writes a file of its own. */
  lease: string
  exportDir: string
  /** Stops at once, leaving nothing; the promise is rejected with the signal's reason. */
  signal: AbortSignal
}

/**
 * Streams everything that is `userId`'s into one ZIP under `exportDir`; visible under its final,
 * unguessable name only when whole. Whoever calls it puts that name into the row of the export:
 * an archive that no row names is a stray. Fails where the person was erased in the meantime.
 */
export async function makeArchive(db: Db, options: ArchiveOptions): Promise<MadeArchive> {
  const { exportDir, exportId, lease, signal } = options
  signal.throwIfAborted()
  try {
    return await writeAside(exportDir, partName(exportId, lease), signal, (sink) =>
      // The ZIP is closed after the snapshot, so that a failing one never leaves a whole file.
      writeZip(sink, signal, (add) =>
        inSnapshot(db, signal, (snapshot) => gather(snapshot, options, add)),
      ),
    )
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
