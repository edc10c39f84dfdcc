import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { DataMap } from '../map/data-map.ts'

interface FileCounts {
  files: number
  bytes: number
}

/** Where a folder of the map is for this person: a file that a crash left without a row lies in it too, and goes with it. */
export function personFolder(uploadDir: string, folder: string, userId: number): string {
  if (!Number.isSafeInteger(userId) || userId < 1)
    throw new RangeError('not the number of a person')
  return path.join(uploadDir, folder.replace('{person}', String(userId)))
}

/** How many files of this person an erasure takes, and their size in bytes. */
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

/** Removes all of one person's files, and looks whether they are gone; safe to run again. */
export async function removeFiles(uploadDir: string, map: DataMap, userId: number): Promise<void> {
  for (const folder of erasedFolders(map)) {
    const gone = personFolder(uploadDir, folder, userId)
    await rm(gone, { recursive: true, force: true })
    const left = await stat(gone).then(() => true, falseIfAbsent)
    if (left) throw new Error('a folder of files was removed and is still there')
  }
}

/** The folders of the map that are exported: where each lies for this person, its name in the export, and what is in it. */
export function exportedFolders(
  uploadDir: string,
  { folders = {} }: DataMap,
  userId: number,
): { folder: string; name: string; is: string }[] {
  return Object.entries(folders).flatMap(([folder, { export: name, is }]) =>
    typeof name === 'string' ? [{ folder: personFolder(uploadDir, folder, userId), name, is }] : [],
  )
}

function erasedFolders({ folders = {} }: DataMap): string[] {
  return Object.entries(folders).flatMap(([folder, { erase }]) => (erase ? [] : [folder]))
}

async function sizesIn(folder: string): Promise<number[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    noneIfAbsent,
  )
  const sizes = await Promise.all(
    entries
      .filter((entry) => !entry.isDirectory())
      // One that is replaced meanwhile is not there any more.
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
