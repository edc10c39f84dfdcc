import { createHash } from 'node:crypto'

/** Counts and hashes bytes as they pass. */
export function createMeter() {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    add(chunk: Uint8Array): void {
      hash.update(chunk)
      bytes += chunk.length
    },
    result: () => ({ bytes, sha256: hash.digest() }),
  }
}
