import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Keys } from '@lethe/lifecycle'

const ID = 16
const NONCE = 16

/**
 * A refresh token names its session and carries a proof that this service issued it. A used token is therefore
 * recognized without a list of all issued tokens.
 */
export function newRefreshToken(keys: Keys, sessionId: string): string {
  const named = Buffer.concat([
    Buffer.from(sessionId.replaceAll('-', ''), 'hex'),
    randomBytes(NONCE),
  ])
  return Buffer.concat([named, proof(keys, named)]).toString('base64url')
}

/** Returns the session that a token names, or undefined for a token that this service did not issue. */
export function readSessionId(keys: Keys, token: string): string | undefined {
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.length !== ID + NONCE + 32 || bytes.toString('base64url') !== token) return undefined
  const named = bytes.subarray(0, ID + NONCE)
  if (!timingSafeEqual(bytes.subarray(ID + NONCE), proof(keys, named))) return undefined
  return named.toString('hex', 0, ID).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function proof(keys: Keys, named: Buffer): Buffer {
  return createHmac('sha256', keys.refreshTokens).update(named).digest()
}
