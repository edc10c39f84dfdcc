// Every archive ends with its own hash, which also detects changes that unpack to the same bytes (padding, timestamps).
// The hash is in the ZIP comment, the last field of a ZIP, which follows its length in two bytes.

const LENGTH_BYTES = 2
const formatComment = (digest: string) => `SHA-256 of all before this comment: ${digest}`
const commentPattern = /^SHA-256 of all before this comment: ([0-9a-f]{64})$/

/** The size of the comment with its length field. */
export const DIGEST_BYTES = LENGTH_BYTES + formatComment('0'.repeat(64)).length

/** Formats the last bytes of an archive from the SHA-256 of all bytes before them. */
export function writeDigest(sha256: Buffer): Buffer {
  const comment = Buffer.from(formatComment(sha256.toString('hex')))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16LE(comment.length)
  return Buffer.concat([length, comment])
}

/** The recorded hash in hexadecimal; undefined if these bytes are not such a comment. */
export function readDigest(end: Buffer): string | undefined {
  if (end.length !== DIGEST_BYTES || end.readUInt16LE() !== DIGEST_BYTES - LENGTH_BYTES)
    return undefined
  return commentPattern.exec(end.toString('latin1', LENGTH_BYTES))?.[1]
}
