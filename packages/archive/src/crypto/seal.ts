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

// An archive lies sealed as age says (age-encryption.org/v1): a header with the key of the file, for whoever has the
// archive's own key; then pieces of 64 KiB, each authenticated with its number and whether it is the last one.

export const PIECE = 64 * 1024
export const TAG = 16
export const NONCE = 16

export interface Header {
  /** As it stands at the beginning of the file, with the nonce of the pieces behind it. */
  bytes: Buffer
  /** Of the pieces. */
  key: KeyObject
}

/** For a new file that whoever has this key can read: 32 bytes, an X25519 scalar that this archive alone has. */
export async function newHeader(key: Buffer): Promise<Header> {
  const age = new Encrypter()
  let fileKey = new Uint8Array()
  age.addRecipient({
    wrapFileKey(told) {
      fileKey = Uint8Array.from(told)
      return [wrapped(fileKey, key)]
    },
  })
  const empty = Buffer.from(await age.encrypt(new Uint8Array()))
  const header = empty.subarray(0, -(NONCE + TAG))
  const nonce = randomBytes(NONCE)
  return { bytes: Buffer.concat([header, nonce]), key: pieceKey(fileKey, nonce) }
}

/**
 * The key of a file as age gives it to an X25519 recipient (c2sp.org/age), by the platform's own means: age's JavaScript makes
 * five times as many calls of WebCrypto, which take longer than all else about a small archive. Its reader opens what is written.
 */
function wrapped(fileKey: Uint8Array, key: Buffer): Stanza {
  const der = Buffer.concat([pkcs8, key])
  const recipient = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const share = bytesOf(publicKey)
  const secret = diffieHellman({ privateKey, publicKey: recipient })
  const salt = Buffer.concat([share, bytesOf(recipient)])
  const wrapping = derive(secret, salt, 'age-encryption.org/v1/X25519')
  // The key is used for this alone, so that its nonce may be zero.
  const body = sealWith(wrapping, Buffer.alloc(12), fileKey)
  return new Stanza(['X25519', share.toString('base64').replace(/=+$/, '')], body)
}

/** RFC 8037: the 32 bytes themselves. */
function bytesOf(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** As an object: bytes that are given for a key are first taken for one, in vain, and that takes longer than to use them. */
function derive(secret: Uint8Array, salt: Uint8Array, purpose: string): KeyObject {
  return createSecretKey(
    Buffer.from(hkdfSync('sha256', createSecretKey(secret), salt, purpose, 32)),
  )
}

/** The key of the pieces, from the header and the nonce behind it; throws where the header was changed or the key is another. */
export async function readHeader(header: Buffer, nonce: Buffer, key: Buffer): Promise<KeyObject> {
  const age = new Decrypter()
  age.addIdentity(await identityOf(key))
  return pieceKey(await age.decryptHeader(header), nonce)
}

function pieceKey(fileKey: Uint8Array, nonce: Buffer): KeyObject {
  return derive(fileKey, nonce, 'payload')
}

const CIPHER = 'chacha20-poly1305'
const options = { authTagLength: TAG }

export function sealPiece(key: KeyObject, number: number, isLast: boolean, plain: Buffer): Buffer {
  return sealWith(key, pieceNonce(number, isLast), plain)
}

function sealWith(key: KeyObject, nonce: Buffer, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, options)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Throws where a bit of it was changed, or it is another piece. */
export function openPiece(key: KeyObject, number: number, isLast: boolean, piece: Buffer): Buffer {
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
