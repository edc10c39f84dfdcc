import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '@lethe/db'
import yauzl from 'yauzl'

/** The people who have a folder with something in it. */
export async function haveFiles(uploadDir: string): Promise<Set<number>> {
  const folders = await readdir(uploadDir, { withFileTypes: true })
  const full = await Promise.all(
    folders.map(async ({ name }) =>
      // It may go with its owner at this moment.
      (await readdir(path.join(uploadDir, name)).catch(() => [])).length ? name : '',
    ),
  )
  return new Set(full.filter((name) => name !== '').map(Number))
}

export interface ArchiveFault {
  exportId: string
  /** None: it is whole. */
  fault: string | undefined
}

/** Reads every archive that is on offer: the very bytes that were announced, and a ZIP from end to end. */
export async function faultsOfArchives({ db, exportDir }: { db: Db; exportDir: string }) {
  const offered = await db
    .selectFrom('exports')
    .select(['id', 'file_name', 'bytes', 'sha256'])
    .where('status', '=', 'ready')
    .execute()
  const found: ArchiveFault[] = []
  for (const { id, file_name, sha256 } of offered) {
    const bytes = await readFile(path.join(exportDir, file_name ?? '')).catch(() => undefined)
    found.push({ exportId: id, fault: await faultOf(bytes, sha256) })
  }
  return found
}

async function faultOf(bytes: Buffer | undefined, sha256: Buffer | null) {
  if (!bytes) return 'is on offer and not there'
  if (!sha256?.equals(createHash('sha256').update(bytes).digest())) return 'has other bytes'
  const names = await entriesOf(bytes).catch(() => [])
  return names.some((name) => name.endsWith('manifest.json')) ? undefined : 'is no whole ZIP'
}

async function entriesOf(bytes: Buffer): Promise<string[]> {
  const zip = await yauzl.fromBufferPromise(bytes)
  const names: string[] = []
  for await (const entry of zip.eachEntry()) names.push(entry.fileName)
  return names
}
