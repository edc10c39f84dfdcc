import type { Db } from '@lethe/db'
import {
  type DataMap,
  type FileFinding,
  findFiles,
  makePlan,
  readAllNamedFiles,
} from '@lethe/erasure'
import { sql } from 'kysely'
import { openStorage } from '../storage/open-storage.ts'
import { rejectAsUnreachable } from './unreachable.ts'

/** How many archives of ready exports are missing in EXPORT_DIR. */
export async function countMissingArchives(db: Db, exportDir: string): Promise<number> {
  const ready = await readyArchives(db)
  if (ready.length === 0) return 0
  const storage = openStorage(exportDir)
  const stored = new Set<string>()
  await rejectAsUnreachable(async () => {
    for await (const names of storage.list()) for (const name of names) stored.add(name)
  })
  const absent = ready.filter((name) => !stored.has(name))
  if (absent.length === 0) return 0
  // An export that was withdrawn since the first query has no archive, and none is missing.
  const stillReady = new Set(await readyArchives(db))
  return absent.filter((name) => stillReady.has(name)).length
}

async function readyArchives(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select file_name as name from public.exports where status = 'ready'`.execute(db)
  return rows.map(({ name }) => name)
}

/** How many files that rows name are missing below UPLOAD_DIR. */
export async function countMissingUploads(
  db: Db,
  uploadDir: string,
  map: DataMap,
): Promise<number> {
  const finding: FileFinding = { found: {}, missing: {} }
  await readAllNamedFiles(db, await makePlan(db, map), (files) =>
    rejectAsUnreachable(() => findFiles(uploadDir, files, finding)),
  )
  return Object.values(finding.missing).reduce((sum, files) => sum + files, 0)
}
