import { hkdfSync, webcrypto } from 'node:crypto'
import { PassThrough, Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption'

// An archive lies sealed as age says (age-encryption.org/v1): a header with the key of the file, for whoever has the
// archive's own key; then pieces of 64 KiB, each authenticated with its number and whether it is the last one.

export const PIECE = 64 * 1024
export const TAG = 16
export const NONCE = 16

/** Seals what `write` writes, under a key that this archive alone has: 32 bytes, an X25519 scalar. */
export async function sealInto(
  sink: Writable,
  key: Buffer,
  signal: AbortSignal,
  write: (plain: Writable) => Promise<void>,
): Promise<void> {
  const age = new Encrypter()
  age.addRecipient(await identityToRecipient(await identityOf(key)))
  const plain = new PassThrough({ highWaterMark: PIECE })
  const sealed = await age.encrypt(Readable.toWeb(plain) as ReadableStream<Uint8Array>)
  let reason: unknown
  const stored = pipeline(Readable.fromWeb(sealed as WebStream<Uint8Array>), sink, {
    signal,
  }).catch((error: unknown) => {
    reason ??= error
  })
  try {
    await write(plain)
  } catch (error) {
    // Where the sink failed first, what is written fails because of that.
    reason ??= error
    plain.destroy(error as Error)
  }
  await stored
  if (reason) throw reason
}

/** The key of the pieces, from the header and the nonce behind it; throws where the header was changed or the key is another. */
export async function payloadKey(header: Buffer, nonce: Buffer, key: Buffer): Promise<Buffer> {
  const age = new Decrypter()
  age.addIdentity(await identityOf(key))
  const fileKey = await age.decryptHeader(header)
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

// RFC 8410: what comes before the 32 bytes of an X25519 key in PKCS #8.
const pkcs8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key as age takes it. */
export function identityOf(key: Buffer): Promise<webcrypto.CryptoKey> {
  const bytes = Buffer.concat([pkcs8, key])
  return webcrypto.subtle.importKey('pkcs8', bytes, { name: 'X25519' }, false, ['deriveBits'])
}
