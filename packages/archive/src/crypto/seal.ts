import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  webcrypto,
} from 'node:crypto'
import { Decrypter, Encrypter, Stanza } from 'age-encryption'

// The format of a stored archive is age (age-encryption.org/v1): a header contains the file key, encrypted to the archive's
// own key. Then come pieces of 64 KiB (age: chunks), each authenticated with its number and whether it is the last one.

export const PIECE_BYTES = 64 * 1024
export const TAG_BYTES = 16
export const NONCE_BYTES = 16

export interface Header {
  /** The first bytes of the file: the header and, after it, the nonce of the pieces. */
  bytes: Buffer
  /** The key of the pieces. */
  key: KeyObject
}

/** Creates the header of a new file. `key` is an X25519 scalar of 32 bytes that belongs to this archive only. */
export async function createHeader(key: Buffer): Promise<Header> {
  const age = new Encrypter()
  let fileKey = new Uint8Array()
  age.addRecipient({
    wrapFileKey(generated) {
      fileKey = Uint8Array.from(generated)
      return [wrapKey(fileKey, key)]
    },
  })
  const empty = Buffer.from(await age.encrypt(new Uint8Array()))
  const header = empty.subarray(0, -(NONCE_BYTES + TAG_BYTES))
  const nonce = randomBytes(NONCE_BYTES)
  return { bytes: Buffer.concat([header, nonce]), key: derivePieceKey(fileKey, nonce) }
}

/**
 * Wraps the file key for an X25519 recipient as age specifies (c2sp.org/age), with Node's own crypto: the JavaScript library
 * makes five times as many WebCrypto calls, which take longer than the rest of a small archive. A test reads it with age.
 */
function wrapKey(fileKey: Uint8Array, key: Buffer): Stanza {
  const der = Buffer.concat([PKCS8_PREFIX, key])
  const recipient = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const share = rawPublicKey(publicKey)
  const secret = diffieHellman({ privateKey, publicKey: recipient })
  const salt = Buffer.concat([share, rawPublicKey(recipient)])
  const wrapping = deriveKey(secret, salt, 'age-encryption.org/v1/X25519')
  // The wrapping key encrypts only this, so the nonce may be zero.
  const body = sealWith(wrapping, Buffer.alloc(12), fileKey)
  return new Stanza(['X25519', share.toString('base64').replace(/=+$/, '')], body)
}

/** The 32 bytes of the key, from its JWK (RFC 8037). */
function rawPublicKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** Passes key objects, not bytes: Node first tries to parse bytes as a key, which takes longer than the derivation. */
function deriveKey(secret: Uint8Array, salt: Uint8Array, purpose: string): KeyObject {
  return createSecretKey(
    Buffer.from(hkdfSync('sha256', createSecretKey(secret), salt, purpose, 32)),
  )
}

/** Reads the key of the pieces from the header and the nonce after it. Throws if the header was changed or the key is wrong. */
export async function readHeader(header: Buffer, nonce: Buffer, key: Buffer): Promise<KeyObject> {
  const age = new Decrypter()
  age.addIdentity(await importIdentity(key))
  return derivePieceKey(await age.decryptHeader(header), nonce)
}

function derivePieceKey(fileKey: Uint8Array, nonce: Buffer): KeyObject {
  return deriveKey(fileKey, nonce, 'payload')
}

const CIPHER = 'chacha20-poly1305'
const cipherOptions = { authTagLength: TAG_BYTES }

export function sealPiece(key: KeyObject, number: number, isLast: boolean, plain: Buffer): Buffer {
  return sealWith(key, pieceNonce(number, isLast), plain)
}

function sealWith(key: KeyObject, nonce: Buffer, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, cipherOptions)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws if the piece was changed, or has another number. */
export function openPiece(key: KeyObject, number: number, isLast: boolean, piece: Buffer): Buffer {
  const decipher = createDecipheriv(CIPHER, key, pieceNonce(number, isLast), cipherOptions)
  decipher.setAuthTag(piece.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(piece.subarray(0, -TAG_BYTES)), decipher.final()])
}

/** Eleven bytes for the number of the piece, and one for whether it is the last. */
function pieceNonce(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(number, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

// The bytes before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410).
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key in the form that the age library takes. */
export function importIdentity(key: Buffer): Promise<webcrypto.CryptoKey> {
  const bytes = Buffer.concat([PKCS8_PREFIX, key])
  return webcrypto.subtle.importKey('pkcs8', bytes, { name: 'X25519' }, false, ['deriveBits'])
}
