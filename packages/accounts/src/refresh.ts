import type { Db } from '@lethe/db'
import type { Keys } from '@lethe/lifecycle'
import { tokenHash } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import { newRefreshToken, readSessionId } from './refresh-token.ts'
import type { Session } from './session.ts'
import { findSession } from './sessions.ts'

/**
 * Rotates the token. A used token is rejected and ends its session: either a thief or the owner presents it, and the
 * service cannot tell which (RFC 9700 §4.14.2).
 */
export async function refresh(
  db: Db,
  keys: Keys,
  token: string,
): Promise<{ session: Session; token: string }> {
  const sessionId = readSessionId(keys, token)
  if (!sessionId) throw new AccountError('unauthenticated')
  const next = newRefreshToken(keys, sessionId)
  // Locks the active user, so that a concurrent refresh cannot outlast a deletion.
  const { rows } = await sql<{ id: string }>`
    with owner as (
      select active_users.id from public.active_users join public.sessions on sessions.user_id = active_users.id
      where sessions.id = ${sessionId} for share of active_users
    )
    update public.sessions set token_hash = ${tokenHash(next)} from owner
    where sessions.id = ${sessionId} and sessions.user_id = owner.id
      and sessions.token_hash = ${tokenHash(token)} and sessions.expires_at > now()
    returning sessions.id`.execute(db)
  const session = rows.length === 1 ? await findSession(db, sessionId) : undefined
  if (session) return { session, token: next }
  await db.deleteFrom('sessions').where('id', '=', sessionId).execute()
  throw new AccountError('unauthenticated')
}
