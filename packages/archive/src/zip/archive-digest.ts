// Every archive of ours ends with its hash: so a change that unpacks to the same bytes (in the padding of a compressed file,
// in a time) can be found, too. A ZIP ends with a comment, and before it the comment's length in two bytes.

const LENGTH = 2
const text = (digest: string) => `SHA-256 of all before this comment: ${digest}`
const digestComment = /^SHA-256 of all before this comment: ([0-9a-f]{64})$/

/** How long the last bytes of an archive are that hold its hash. */
export const STAMP = LENGTH + text('0'.repeat(64)).length

/** The last bytes of an archive, from the SHA-256 of all before them. */
export function writeDigest(sha256: Buffer): Buffer {
  const comment = Buffer.from(text(sha256.toString('hex')))
  const length = Buffer.alloc(LENGTH)
  length.writeUInt16LE(comment.length)
  return Buffer.concat([length, comment])
}

/** The hash that an archive says it had, in hexadecimal; undefined where these are no last bytes of ours. */
export function readDigest(end: Buffer): string | undefined {
  if (end.length !== STAMP || end.readUInt16LE() !== STAMP - LENGTH) return undefined
  return digestComment.exec(end.toString('latin1', LENGTH))?.[1]
}
