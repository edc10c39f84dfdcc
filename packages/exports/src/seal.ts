import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, webcrypto } from 'node:crypto'
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption'

// An archive lies sealed as age says (age-encryption.org/v1): a header with the key of the file, for whoever has the
// archive's own key; then pieces of 64 KiB, each authenticated with its number and whether it is the last one.

export const PIECE = 64 * 1024
export const TAG = 16
export const NONCE = 16

export interface Header {
  /** As it stands at the beginning of the file, with the nonce of the pieces behind it. */
  bytes: Buffer
  /** Of the pieces. */
  key: Buffer
}

/** For a new file that whoever has this key can read: 32 bytes, an X25519 scalar that this archive alone has. */
export async function newHeader(key: Buffer): Promise<Header> {
  const age = new Encrypter()
  age.addRecipient(await identityToRecipient(await identityOf(key)))
  // We are told the key of the file as if it were encrypted for us too, and leave nothing of that in the header.
  let fileKey = new Uint8Array()
  age.addRecipient({
    wrapFileKey(told) {
      fileKey = Uint8Array.from(told)
      return []
    },
  })
  const empty = Buffer.from(await age.encrypt(new Uint8Array()))
  const header = empty.subarray(0, -(NONCE + TAG))
  const nonce = randomBytes(NONCE)
  return { bytes: Buffer.concat([header, nonce]), key: pieceKey(fileKey, nonce) }
}

/** The key of the pieces, from the header and the nonce behind it; throws where the header was changed or the key is another. */
export async function readHeader(header: Buffer, nonce: Buffer, key: Buffer): Promise<Buffer> {
  const age = new Decrypter()
  age.addIdentity(await identityOf(key))
  return pieceKey(await age.decryptHeader(header), nonce)
}

function pieceKey(fileKey: Uint8Array, nonce: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

const CIPHER = 'chacha20-poly1305'
const options = { authTagLength: TAG }

export function sealPiece(key: Buffer, number: number, isLast: boolean, plain: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, pieceNonce(number, isLast), options)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws where a bit of it was changed, or it is another piece. */
export function openPiece(key: Buffer, number: number, isLast: boolean, piece: Buffer): Buffer {
  const decipher = createDecipheriv(CIPHER, key, pieceNonce(number, isLast), options)
  decipher.setAuthTag(piece.subarray(-TAG))
  return Buffer.concat([decipher.update(piece.subarray(0, -TAG)), decipher.final()])
}

/** The number of the piece, in eleven bytes, and whether it is the last one. */
function pieceNonce(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(number, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

// RFC 8410: what comes before the 32 bytes of an X25519 key in PKCS #8.
const pkcs8 = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key as age takes it. */
export function identityOf(key: Buffer): Promise<webcrypto.CryptoKey> {
  const bytes = Buffer.concat([pkcs8, key])
  return webcrypto.subtle.importKey('pkcs8', bytes, { name: 'X25519' }, false, ['deriveBits'])
}
