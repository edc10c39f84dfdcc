import { unlink } from 'node:fs/promises'
import path from 'node:path'
import { isMissing, syncFolder } from './folder.ts'
import { assertArchiveName } from './names.ts'

/** Removes the archive; safe to run twice. When it is done, the file is gone for good, even if the power fails. */
export async function removeArchive(exportDir: string, fileName: string): Promise<void> {
  assertArchiveName(fileName)
  await removeFiles(exportDir, [fileName])
}

/** Files that are not there are no error. */
export async function removeFiles(folder: string, names: string[]): Promise<void> {
  let removed = false
  for (const name of names) removed = (await wasRemoved(path.join(folder, name))) || removed
  if (removed) await syncFolder(folder)
}

async function wasRemoved(file: string): Promise<boolean> {
  try {
    await unlink(file)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
