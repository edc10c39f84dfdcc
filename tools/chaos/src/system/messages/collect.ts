/** Splits a stream into messages. `next` parses the first message, or returns undefined while it is incomplete. */
export function collect<T extends { bytes: Buffer }>(
  next: (bytes: Buffer) => T | undefined,
): (chunk: Buffer) => T[] {
  let bytes: Buffer = Buffer.alloc(0)
  return (chunk) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const found: T[] = []
    for (let one = next(bytes); one; one = next(bytes)) {
      found.push(one)
      bytes = bytes.subarray(one.bytes.length)
    }
    return found
  }
}
