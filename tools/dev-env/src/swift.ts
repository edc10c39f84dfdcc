import { stat } from 'node:fs/promises'

/**
 * Returns a Python with OpenStack Swift, an object store with an S3 API (Debian: `python3-swift`); undefined if there
 * is none.
 */
export async function findSwift(): Promise<string | undefined> {
  // Debian's packages work only with Debian's Python, even if PATH has another one first.
  const there = await stat('/usr/lib/python3/dist-packages/swift').catch(() => undefined)
  return there && '/usr/bin/python3'
}
