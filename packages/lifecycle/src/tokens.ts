import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { Keys } from './keys.ts'

/** 256 random bits, base64url. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url')
}

/** What the database holds of a token. Tokens have 256 bits, so a plain SHA-256 cannot be searched. */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** The token of the cancel link: made again from the row's nonce whenever a mail needs it. */
export function deletionToken(keys: Keys, nonce: Buffer): string {
  return linkToken(keys, 'deletion', nonce)
}

/** The token of the export link. */
export function exportToken(keys: Keys, nonce: Buffer): string {
  return linkToken(keys, 'export', nonce)
}

/** What an archive is sealed under: made from the row's nonce, and gone with it. */
export function archiveKey(keys: Keys, nonce: Buffer): Buffer {
  return createHmac('sha256', keys.archives).update(nonce).digest()
}

function linkToken(keys: Keys, purpose: 'deletion' | 'export', nonce: Buffer): string {
  return createHmac('sha256', keys.links).update(purpose).update(nonce).digest('base64url')
}
