import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import type { Keys } from './keys.ts'
import { findSession, type Session } from './sessions.ts'
import { tokenHash } from './tokens.ts'

const ID = 16
const NONCE = 16

/**
 * A refresh token names its session and carries a proof that we made it. So a used one is known for what it is,
 * without a list of all that were ever given out.
 */
export function newRefreshToken(keys: Keys, sessionId: string): string {
  const named = Buffer.concat([
    Buffer.from(sessionId.replaceAll('-', ''), 'hex'),
    randomBytes(NONCE),
  ])
  return Buffer.concat([named, proof(keys, named)]).toString('base64url')
}

/**
 * Rotates the token. A used one is refused and ends its session: either the thief or the owner
 * is holding it, and we cannot tell which (RFC 9700 §4.14.2).
 */
export async function refresh(
  db: Db,
  keys: Keys,
  token: string,
): Promise<{ session: Session; token: string }> {
  const sessionId = readSessionId(keys, token)
  if (!sessionId) throw new AccountError('unauthenticated')
  const next = newRefreshToken(keys, sessionId)
  // Sees the user active under a lock: a refresh under way does not outlive the deletion.
  const { rows } = await sql<{ id: string }>`
    with owner as (
      select active_users.id from active_users join sessions on sessions.user_id = active_users.id
      where sessions.id = ${sessionId} for share of active_users
    )
    update sessions set token_hash = ${tokenHash(next)} from owner
    where sessions.id = ${sessionId} and sessions.user_id = owner.id
      and sessions.token_hash = ${tokenHash(token)} and sessions.expires_at > now()
    returning sessions.id`.execute(db)
  const session = rows.length === 1 ? await findSession(db, sessionId) : undefined
  if (session) return { session, token: next }
  await db.deleteFrom('sessions').where('id', '=', sessionId).execute()
  throw new AccountError('unauthenticated')
}

function readSessionId(keys: Keys, token: string): string | undefined {
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.length !== ID + NONCE + 32 || bytes.toString('base64url') !== token) return undefined
  const named = bytes.subarray(0, ID + NONCE)
  if (!timingSafeEqual(bytes.subarray(ID + NONCE), proof(keys, named))) return undefined
  return named.toString('hex', 0, ID).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function proof(keys: Keys, named: Buffer): Buffer {
  return createHmac('sha256', keys.refreshTokens).update(named).digest()
}
