import { stat } from 'node:fs/promises'

/** A Python that has OpenStack Swift, an object store that speaks S3 (Debian: `python3-swift`); undefined where none has. */
export async function findSwift(): Promise<string | undefined> {
  // Debian's packages are for Debian's Python alone, whatever stands on PATH before it.
  const there = await stat('/usr/lib/python3/dist-packages/swift').catch(() => undefined)
  return there && '/usr/bin/python3'
}
