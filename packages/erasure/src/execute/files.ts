import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { DataMap } from '../map/data-map.ts'

interface FileCounts {
  files: number
  bytes: number
}

/** The path of a data map folder for this person. A file that lost its row in a crash is in there too, and is removed with it. */
export function personFolder(uploadDir: string, folder: string, userId: number): string {
  if (!Number.isSafeInteger(userId) || userId < 1)
    throw new RangeError('not the number of a person')
  return path.join(uploadDir, folder.replace('{person}', String(userId)))
}

/** Counts the files of this person that an erasure removes, and their bytes. */
export async function countFiles(
  uploadDir: string,
  map: DataMap,
  userId: number,
): Promise<FileCounts> {
  const found = await Promise.all(
    erasedFolders(map).map((folder) => sizesIn(personFolder(uploadDir, folder, userId))),
  )
  const sizes = found.flat()
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

/** Removes all of one person's erased folders and checks that they are gone. Safe to run again. */
export async function removeFiles(uploadDir: string, map: DataMap, userId: number): Promise<void> {
  for (const folder of erasedFolders(map)) {
    const gone = personFolder(uploadDir, folder, userId)
    await rm(gone, { recursive: true, force: true })
    const left = await stat(gone).then(() => true, falseIfAbsent)
    if (left) throw new Error('a folder still exists after it was removed')
  }
}

/** The exported folders of the map: the path for this person, the name in the export, and the description. */
export function exportedFolders(
  uploadDir: string,
  { folders = {} }: DataMap,
  userId: number,
): { folder: string; name: string; description: string }[] {
  return Object.entries(folders).flatMap(([folder, { export: name, description }]) =>
    typeof name === 'string'
      ? [{ folder: personFolder(uploadDir, folder, userId), name, description }]
      : [],
  )
}

function erasedFolders({ folders = {} }: DataMap): string[] {
  return Object.entries(folders).flatMap(([folder, { retain }]) => (retain ? [] : [folder]))
}

async function sizesIn(folder: string): Promise<number[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    noneIfAbsent,
  )
  const sizes = await Promise.all(
    entries
      .filter((entry) => !entry.isDirectory())
      // A file that is replaced meanwhile no longer exists under this name.
      .map(({ parentPath, name }) =>
        stat(path.join(parentPath, name)).then(({ size }) => [size], noneIfAbsent),
      ),
  )
  return sizes.flat()
}

function noneIfAbsent(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return []
  throw error
}

function falseIfAbsent(error: NodeJS.ErrnoException): false {
  if (error.code === 'ENOENT') return false
  throw error
}
