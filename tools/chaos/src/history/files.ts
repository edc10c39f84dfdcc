import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { openArchive, openStorage, type Storage } from '@lethe/archive'
import type { Db } from '@lethe/db'
import { findArchive, type Keys } from '@lethe/lifecycle'
import yauzl from 'yauzl'

/** Returns the ids of the people with a non-empty folder. */
export async function haveFiles(uploadDir: string): Promise<Set<number>> {
  const folders = await readdir(uploadDir, { withFileTypes: true })
  const full = await Promise.all(
    folders.map(async ({ name }) =>
      // The erasure may remove the folder at this moment.
      (await readdir(path.join(uploadDir, name)).catch(() => [])).length ? name : '',
    ),
  )
  return new Set(full.filter((name) => name !== '').map(Number))
}

export interface ArchiveFault {
  exportId: string
  /** Undefined: the archive is intact. */
  fault: string | undefined
}

/** Reads every ready archive and checks its digest and that it is a complete ZIP. */
export async function faultsOfArchives({
  db,
  keys,
  exportDir,
}: {
  db: Db
  keys: Keys
  exportDir: string
}) {
  const offered = await db
    .selectFrom('exports')
    .select(['id', 'sha256'])
    .where('status', '=', 'ready')
    .execute()
  const storage = openStorage(exportDir)
  const found: ArchiveFault[] = []
  for (const { id, sha256 } of offered)
    found.push({ exportId: id, fault: await faultOf(() => read(db, keys, storage, id), sha256) })
  return found
}

async function read(db: Db, keys: Keys, storage: Storage, exportId: string) {
  const opened = await openArchive(storage, await findArchive(db, keys, exportId))
  return opened && buffer(opened.stream)
}

async function faultOf(read: () => Promise<Buffer | undefined>, sha256: Buffer | null) {
  try {
    const bytes = await read()
    if (!bytes) return 'is on offer and not there'
    if (!sha256?.equals(createHash('sha256').update(bytes).digest())) return 'has other bytes'
    const names = await entriesOf(bytes).catch(() => [])
    return names.at(-1) === 'manifest.json' ? undefined : 'is no whole ZIP'
  } catch (error) {
    return `cannot be opened: ${(error as Error).message}`
  }
}

async function entriesOf(bytes: Buffer): Promise<string[]> {
  const zip = await yauzl.fromBufferPromise(bytes)
  const names: string[] = []
  for await (const entry of zip.eachEntry()) names.push(entry.fileName)
  return names
}
