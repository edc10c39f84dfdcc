import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'

export interface Stamped {
  bytes: number
  /** Of the whole archive. */
  sha256: Buffer
}

/** What a ZIP ends with where it has no comment. Its last two bytes say how long a comment follows. */
const END_RECORD = 22
const LENGTH = 2
const stampText = (digest: string) => `SHA-256 of all before this comment: ${digest}`
const stamp = /^SHA-256 of all before this comment: ([0-9a-f]{64})$/

/** What every archive of ours ends with: the length of its comment, and the comment. */
export const STAMP = LENGTH + stampText('0'.repeat(64)).length

/** The hash that an archive says it had, in hexadecimal; undefined where these are no last bytes of ours. */
export function readStamp(end: Buffer): string | undefined {
  if (end.length !== STAMP || end.readUInt16LE() !== STAMP - LENGTH) return undefined
  return stamp.exec(end.toString('latin1', LENGTH))?.[1]
}

/**
 * Passes a ZIP on, and puts the hash of everything before its comment into that comment: so a change that unpacks to the
 * same bytes (in the padding of a compressed stream, in a time) can be found, too.
 */
export function stampDigest(): Transform & { result(): Stamped } {
  const hash = createHash('sha256')
  let bytes = 0
  let held = Buffer.alloc(0)
  const pass = (chunk: Buffer) => {
    hash.update(chunk)
    bytes += chunk.length
    return chunk
  }
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const all = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
      const passed = Math.max(0, all.length - END_RECORD)
      held = Buffer.from(all.subarray(passed))
      done(null, pass(all.subarray(0, passed)))
    },
    flush(done) {
      this.push(pass(held.subarray(0, -LENGTH)))
      const comment = stampText(hash.copy().digest('hex'))
      const length = Buffer.alloc(LENGTH)
      length.writeUInt16LE(comment.length)
      done(null, pass(Buffer.concat([length, Buffer.from(comment)])))
    },
  })
  return Object.assign(transform, { result: () => ({ bytes, sha256: hash.digest() }) })
}
