import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

interface FileCounts {
  files: number
  bytes: number
}

/**
 * The folder that holds all of one person's files and nobody else's: a file that a crash left without a row
 * lies in it too, and goes with it.
 */
export function filesFolder(uploadDir: string, userId: number): string {
  if (!Number.isSafeInteger(userId) || userId < 1) throw new RangeError('not the id of a user')
  return path.join(uploadDir, String(userId))
}

/** How many files this person has, and their size in bytes. */
export async function countFiles(uploadDir: string, userId: number): Promise<FileCounts> {
  const folder = filesFolder(uploadDir, userId)
  const names = await readdir(folder).catch(noneIfAbsent)
  // One that is replaced meanwhile is not there any more.
  const found = await Promise.all(
    names.map((name) => stat(path.join(folder, name)).then(({ size }) => [size], noneIfAbsent)),
  )
  const sizes = found.flat()
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

/** Removes all of one person's files; safe to run again. */
export async function removeFiles(uploadDir: string, userId: number): Promise<void> {
  await rm(filesFolder(uploadDir, userId), { recursive: true, force: true })
}

function noneIfAbsent(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return []
  throw error
}
