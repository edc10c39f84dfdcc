import { mkdtemp, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Where Node.js keeps what it has compiled, for all processes of the tests: compiling is up to half of a start. */
export const compileCache = path.join(
  import.meta.dirname,
  '../../../node_modules/.cache/lethe-compiled',
)

/**
 * A new folder for what is thrown away, in memory where there is room. A database is some 300 files, and ext4, before it
 * makes one, looks past every one that was deleted within the last minutes: where hundreds of databases come and go, each
 * costs 200 ms of a processor there, and 15 in memory.
 */
export async function makeTestFolder(name: string): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => undefined)
  const isRoomy = memory && memory.bavail * memory.bsize > 2 ** 30
  return mkdtemp(path.join(isRoomy ? '/dev/shm' : tmpdir(), name))
}
