import { randomBytes } from 'node:crypto'
import type { Db, ExportStatus, Tx } from '@lethe/db'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import { checkShown, isFresh } from './fresh-log-in.ts'
import type { Hasher } from './hashing.ts'
import type { Keys } from './keys.ts'
import type { Session } from './session.ts'
import { exportToken, tokenHash } from './tokens.ts'

export interface OwnExport {
  id: string
  status: ExportStatus
  requestedAt: Date
  createdAt: Date | null
  expiresAt: Date | null
  bytes: number | null
  downloads: number
  downloadedAt: Date | null
}

export interface ExportRules {
  /** How recent the log-in must be where the request brings no password; ISO 8601. */
  reauthenticationWindow: string
  /** So many may be asked for within a day. */
  perDay: number
}

/**
 * Asks for an archive of one's own data, without a deletion (GDPR Art. 15 and 20). One is made at a time: asked again
 * meanwhile, it answers with the same one. Errors: `wrong-password`, `reauthentication-required`, `unauthenticated`,
 * `too-many-exports` with `retryAfter`, in seconds.
 */
export async function requestExport(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  session: Session,
  password: string | undefined,
  { reauthenticationWindow, perDay }: ExportRules,
): Promise<OwnExport> {
  const shownHash = await checkShown(db, hasher, session.userId, password)
  return db.transaction().execute(async (tx) => {
    // Held until it is written: nothing is asked for past a deletion, and nobody counts at the same moment.
    const actor = await tx
      .selectFrom('active_users')
      .select('password_hash')
      .where('id', '=', session.userId)
      .forNoKeyUpdate()
      .executeTakeFirst()
    const fresh = await isFresh(tx, session, reauthenticationWindow)
    if (!actor || fresh === undefined) throw new AccountError('unauthenticated')
    const passwordShown = shownHash !== undefined && shownHash === actor.password_hash
    if (!passwordShown && !fresh) throw new AccountError('reauthentication-required')
    const pending = await ownExports(tx, session.userId)
      .where('exports.status', '=', 'pending')
      .executeTakeFirst()
    if (pending) return pending
    await refuseTooMany(tx, session.userId, perDay)
    const nonce = randomBytes(32)
    const { id } = await tx
      .insertInto('exports')
      .values({
        user_id: session.userId,
        token_nonce: nonce,
        token_hash: tokenHash(exportToken(keys, nonce)),
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    return ownExports(tx, session.userId).where('id', '=', id).executeTakeFirstOrThrow()
  })
}

async function refuseTooMany(tx: Tx, userId: number, perDay: number): Promise<void> {
  const { rows } = await sql<{ asked: number; retryAfter: number }>`
    select count(*) as asked,
      ceil(extract(epoch from min(requested_at) + interval '1 day' - now()))::integer as "retryAfter"
    from public.exports
    where user_id = ${userId} and deletion_id is null and requested_at > now() - interval '1 day'`.execute(
    tx,
  )
  const [{ asked, retryAfter } = { asked: 0, retryAfter: 0 }] = rows
  if (asked >= perDay) throw new AccountError('too-many-exports', { retryAfter })
}

/** Those that the person asked for on their own, the latest first. */
export async function listExports(db: Db, userId: number): Promise<OwnExport[]> {
  return ownExports(db, userId).orderBy('requested_at', 'desc').limit(100).execute()
}

function ownExports(db: Db, userId: number) {
  return db
    .selectFrom('exports')
    .select(['id', 'status', 'bytes', 'downloads', 'downloaded_at as downloadedAt'])
    .select(['requested_at as requestedAt', 'created_at as createdAt', 'expires_at as expiresAt'])
    .where('user_id', '=', userId)
    .where('deletion_id', 'is', null)
}
