import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { Keys } from './keys.ts'

/** Returns 256 random bits as base64url. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url')
}

/** The form of a token that the database stores. A token has 256 random bits, so plain SHA-256 resists a search. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** The token of the cancel link, derived from the row's nonce whenever a mail needs it. */
export function deletionToken(keys: Keys, nonce: Buffer): string {
  return linkToken(keys, 'deletion', nonce)
}

/** The token of the export link. */
export function exportToken(keys: Keys, nonce: Buffer): string {
  return linkToken(keys, 'export', nonce)
}

/** The key that encrypts an archive. It is derived from the row's nonce, and is lost when the nonce is removed. */
export function archiveKey(keys: Keys, nonce: Buffer): Buffer {
  return createHmac('sha256', keys.archives).update(nonce).digest()
}

function linkToken(keys: Keys, purpose: 'deletion' | 'export', nonce: Buffer): string {
  return createHmac('sha256', keys.links).update(purpose).update(nonce).digest('base64url')
}
