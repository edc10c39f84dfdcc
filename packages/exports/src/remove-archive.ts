import { rm } from 'node:fs/promises'
import path from 'node:path'
import { namesIn, syncFolder } from './folder.ts'
import { assertArchiveName, assertExportId, isPartOf } from './names.ts'

/** Removes the archive (if named) and whatever a killed try left of this export. Safe to run twice. */
export async function removeArchive(
  exportDir: string,
  exportId: string,
  fileName: string | null,
): Promise<void> {
  assertExportId(exportId)
  if (fileName !== null) assertArchiveName(fileName)
  const names = await namesIn(exportDir)
  await removeFiles(
    exportDir,
    names.filter((name) => name === fileName || isPartOf(exportId, name)),
  )
}

/** When it is done, the files are gone for good, even if the power fails. */
export async function removeFiles(folder: string, names: string[]): Promise<void> {
  if (names.length === 0) return
  for (const name of names) await rm(path.join(folder, name), { force: true })
  await syncFolder(folder)
}
