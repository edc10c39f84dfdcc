import { mkdtemp, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** The compile cache that all test processes share: compiling takes up to half of a start. */
export const compileCache = path.join(
  import.meta.dirname,
  '../../../node_modules/.cache/lethe-compiled',
)

/**
 * Creates a folder for throw-away data, in memory if there is room. A database has about 300 files, and ext4 scans all
 * files that were deleted in the last minutes before it creates one: with hundreds of databases each costs 200 ms of
 * CPU time there, and 15 in memory.
 */
export async function makeTestFolder(name: string): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => undefined)
  const isRoomy = memory && memory.bavail * memory.bsize > 2 ** 30
  return mkdtemp(path.join(isRoomy ? '/dev/shm' : tmpdir(), name))
}
