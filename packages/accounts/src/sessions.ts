import type { Db, Role } from '@lethe/db'
import type { Keys } from '@lethe/lifecycle'
import { findLatestDeletion, randomToken, tokenHash } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { normalizeAddress } from './email-address.ts'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import { newRefreshToken } from './refresh-token.ts'
import type { Session, SessionKind } from './session.ts'
import type { User } from './users.ts'

export interface LogIn {
  email: string
  password: string
  kind: SessionKind
  /** Lifetime from now, not sliding: an ISO 8601 duration. */
  ttl: string
}

/**
 * Throws `wrong-credentials` alike for an unknown address, a wrong password and an account that is being erased, and
 * `account-pending-deletion` with `eraseAfter` for the right credentials of a deactivated account.
 */
export async function logIn(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  attempt: LogIn,
): Promise<{ user: User; session: Session; token: string }> {
  const user = await findByCredentials(db, hasher, attempt)
  const id = crypto.randomUUID()
  const token = attempt.kind === 'cookie' ? randomToken() : newRefreshToken(keys, id)
  // Locks the user and checks in the same statement that it is active and has this password. A log-in that runs
  // during a deletion or a password change therefore leaves no session behind.
  const session = await db
    .insertInto('sessions')
    .columns(['id', 'user_id', 'kind', 'token_hash', 'expires_at'])
    .expression((from) =>
      from
        .selectFrom('active_users')
        .select([
          sql.val(id).$castTo<string>().as('id'),
          'id as user_id',
          sql.val(attempt.kind).as('kind'),
          sql.val(tokenHash(token)).as('token_hash'),
          sql<Date>`now() + ${attempt.ttl}::interval`.as('expires_at'),
        ])
        .where('id', '=', user.id)
        .where('password_hash', '=', user.passwordHash)
        .forShare(),
    )
    .returning(['authenticated_at as authenticatedAt', 'expires_at as expiresAt'])
    .executeTakeFirst()
  if (!session) {
    const { status, eraseAfter } = (await findLatestDeletion(db, user.id)) ?? {}
    if (status === 'pending') throw new AccountError('account-pending-deletion', { eraseAfter })
    throw new AccountError('wrong-credentials')
  }
  const { passwordHash: _, role, ...profile } = user
  return {
    user: profile,
    session: { id, userId: user.id, role, kind: attempt.kind, ...session },
    token,
  }
}

/** Returns the user with these credentials, active or not. An unknown address takes as long as a known one. */
export async function findByCredentials(
  db: Db,
  hasher: Hasher,
  { email, password }: { email: string; password: string },
): Promise<User & { role: Role; passwordHash: string }> {
  const user = await db
    .selectFrom('users')
    .select(['id', 'email', 'display_name as displayName', 'created_at as createdAt'])
    .select(['role', 'password_hash as passwordHash'])
    .where(sql<string>`lower(email collate "C")`, '=', normalizeAddress(email).toLowerCase())
    .executeTakeFirst()
  if (!(await hasher.verify(user?.passwordHash, password)) || !user)
    throw new AccountError('wrong-credentials')
  return user
}

/** Returns the session of a cookie's token. */
export async function findSessionByToken(db: Db, token: string): Promise<Session | undefined> {
  return liveSessions(db)
    .where('sessions.token_hash', '=', tokenHash(token))
    .where('sessions.kind', '=', 'cookie')
    .executeTakeFirst()
}

/** Returns the session of an access and refresh token pair. */
export async function findSession(db: Db, id: string): Promise<Session | undefined> {
  return findTokenSession(db, id).executeTakeFirst()
}

/**
 * Returns the session that an access token names, while `exp` (seconds since 1970) is in the future on the database's
 * clock.
 */
export async function findSessionOfAccessToken(
  db: Db,
  { sid, exp }: { sid: string; exp: number },
): Promise<Session | undefined> {
  return findTokenSession(db, sid)
    .where(sql<Date>`to_timestamp(${exp})`, '>', sql<Date>`now()`)
    .executeTakeFirst()
}

/** Returns all sessions of a user, newest log-in first. */
export async function listSessions(db: Db, userId: number): Promise<Session[]> {
  return liveSessions(db)
    .where('sessions.user_id', '=', userId)
    .orderBy('sessions.authenticated_at', 'desc')
    .execute()
}

export async function endSession(db: Db, userId: number, sessionId: string): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom('sessions')
    .where('id', '=', sessionId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (numDeletedRows === 0n) throw new AccountError('session-not-found')
}

/** Deletes up to `limit` expired sessions, and returns how many. */
export async function purgeExpiredSessions(db: Db, limit = 1_000): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from public.sessions where id in (
      select id from public.sessions where expires_at <= now() limit ${limit} for update skip locked)`.execute(
    db,
  )
  return Number(numAffectedRows)
}

function findTokenSession(db: Db, id: string) {
  return liveSessions(db).where('sessions.id', '=', id).where('sessions.kind', '=', 'refresh')
}

function liveSessions(db: Db) {
  return db
    .selectFrom('sessions')
    .innerJoin('active_users', 'active_users.id', 'sessions.user_id')
    .select(['sessions.id', 'sessions.user_id as userId', 'active_users.role', 'sessions.kind'])
    .select(['authenticated_at as authenticatedAt', 'expires_at as expiresAt'])
    .where('sessions.expires_at', '>', sql<Date>`now()`)
}
