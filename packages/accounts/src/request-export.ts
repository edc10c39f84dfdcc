import type { Db } from '@lethe/db'
import { type Keys, type OwnExport, requestOwnExport } from '@lethe/lifecycle'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import type { Session } from './session.ts'
import { isRecentlyAuthenticated, requireStepUp, verifyPassword } from './step-up.ts'

export interface ExportRules {
  /** How recent the log-in must be if the request contains no password; ISO 8601. */
  reauthenticationWindow: string
  /** How many exports a person may request within a day. */
  perDay: number
}

/**
 * Requests an archive of the caller's own data without a deletion (GDPR Art. 15 and 20). While one is pending, it
 * returns that one. Errors: `wrong-password`, `reauthentication-required`, `unauthenticated`, `too-many-exports` with
 * `retryAfter`, in seconds.
 */
export async function requestExport(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  session: Session,
  password: string | undefined,
  { reauthenticationWindow, perDay }: ExportRules,
): Promise<OwnExport> {
  const shownHash = await verifyPassword(db, hasher, session.userId, password)
  return db.transaction().execute(async (tx) => {
    // The lock lasts until the export is written, so a deletion cannot overtake it and no two requests count at the
    // same time.
    const actor = await tx
      .selectFrom('active_users')
      .select('password_hash')
      .where('id', '=', session.userId)
      .forNoKeyUpdate()
      .executeTakeFirst()
    const fresh = await isRecentlyAuthenticated(tx, session, reauthenticationWindow)
    if (!actor || fresh === undefined) throw new AccountError('unauthenticated')
    requireStepUp(fresh, shownHash, actor.password_hash)
    return requestOwnExport(tx, keys, session.userId, perDay)
  })
}
