import type { Db, Tx } from '@lethe/db'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import type { Session } from './session.ts'

/**
 * Returns the hash that matched the password, or undefined if no password was given. It holds no lock, because argon2
 * is slow on purpose. Errors: `wrong-password`, `unauthenticated`.
 */
export async function verifyPassword(
  db: Db,
  hasher: Hasher,
  userId: number,
  password: string | undefined,
): Promise<string | undefined> {
  if (password === undefined) return undefined
  const user = await db
    .selectFrom('active_users')
    .select('password_hash')
    .where('id', '=', userId)
    .executeTakeFirst()
  if (!user) throw new AccountError('unauthenticated')
  if (!(await hasher.verify(user.password_hash, password))) throw new AccountError('wrong-password')
  return user.password_hash
}

/** Whether the log-in of this session is more recent than `window` (ISO 8601); undefined if the session has ended. */
export async function isRecentlyAuthenticated(
  tx: Tx,
  session: Session,
  window: string,
): Promise<boolean | undefined> {
  const held = await tx
    .selectFrom('sessions')
    .select(sql<boolean>`authenticated_at > now() - ${window}::interval`.as('fresh'))
    .where('id', '=', session.id)
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst()
  return held?.fresh
}

/** Requires a recent log-in, or the password that the account still has. Error: `reauthentication-required`. */
export function requireStepUp(
  isRecent: boolean,
  shownHash: string | undefined,
  passwordHash: string,
): void {
  if (!isRecent && shownHash !== passwordHash) throw new AccountError('reauthentication-required')
}
