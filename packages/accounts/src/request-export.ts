import { randomBytes } from 'node:crypto'
import type { Db, ExportStatus } from '@lethe/db'
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

/**
 * Asks for an archive of one's own data, without a deletion (GDPR Art. 15 and 20). One is made at a time: asked again
 * meanwhile, it answers with the same one. Errors: `wrong-password`, `reauthentication-required`, `unauthenticated`.
 */
export async function requestExport(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  session: Session,
  password: string | undefined,
  reauthenticationWindow: string,
): Promise<OwnExport> {
  const shownHash = await checkShown(db, hasher, session.userId, password)
  return db.transaction().execute(async (tx) => {
    // Held until it is written: nothing is asked for past a deletion.
    const actor = await tx
      .selectFrom('active_users')
      .select('password_hash')
      .where('id', '=', session.userId)
      .forShare()
      .executeTakeFirst()
    const fresh = await isFresh(tx, session, reauthenticationWindow)
    if (!actor || fresh === undefined) throw new AccountError('unauthenticated')
    const passwordShown = shownHash !== undefined && shownHash === actor.password_hash
    if (!passwordShown && !fresh) throw new AccountError('reauthentication-required')
    const nonce = randomBytes(32)
    await sql`
      insert into exports (user_id, token_nonce, token_hash)
      values (${session.userId}, ${nonce}, ${tokenHash(exportToken(keys, nonce))})
      on conflict (user_id) where deletion_id is null and status = 'pending' do nothing`.execute(tx)
    return ownExports(tx, session.userId)
      .where('exports.status', '=', 'pending')
      .executeTakeFirstOrThrow()
  })
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
