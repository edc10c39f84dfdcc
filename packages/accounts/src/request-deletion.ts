import type { Db, Tx } from '@lethe/db'
import type { Keys } from '@lethe/lifecycle'
import { type Deletion, findOpenDeletion, isNewAccount, scheduleDeletion } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import type { Session } from './session.ts'
import { isRecentlyAuthenticated, requireStepUp, verifyPassword } from './step-up.ts'

export interface DeletionRules {
  /** ISO 8601 durations. */
  gracePeriod: string
  /** How recent the log-in must be if the request contains no password. */
  reauthenticationWindow: string
}

export interface DeletionRequest {
  userId: number
  /** The password of the caller, not of the person to delete. */
  password?: string | undefined
  eraseNow?: boolean | undefined
}

/**
 * Deactivates the account, ends all its sessions and sets the date of its erasure, or does nothing. For a deactivated
 * account (an administrator can ask again) it returns the same deletion with the same date.
 *
 * Errors: `not-authorized` (the caller is neither the owner nor an administrator), `user-not-found` (an administrator
 * names an unknown user), `wrong-password`, `reauthentication-required`, `unauthenticated` (the session ended
 * meanwhile).
 */
export async function requestDeletion(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  session: Session,
  request: DeletionRequest,
  rules: DeletionRules,
): Promise<Deletion> {
  if (session.userId !== request.userId && session.role !== 'administrator')
    throw new AccountError('not-authorized')
  if (request.eraseNow && request.password === undefined)
    throw new AccountError('reauthentication-required')
  const shownHash = await verifyPassword(db, hasher, session.userId, request.password)
  return db.transaction().execute(async (tx) => {
    const newAccount = await authorize(tx, session, request.userId, rules, shownHash)
    const grace = request.eraseNow ? 'PT0S' : rules.gracePeriod
    const by = session.userId === request.userId ? 'owner' : 'administrator'
    const deletion =
      (await scheduleDeletion(tx, keys, request.userId, { grace, by, newAccount })) ??
      (await findOpenDeletion(tx, request.userId))
    if (!deletion) throw new AccountError('user-not-found')
    return deletion
  })
}

/**
 * Locks both people in the order of their ids, so that two administrators cannot deadlock, and checks again
 * everything that allows the request. The locks last until the deletion is written, so nothing changes between the
 * check and the write. Returns whether the account is a new one.
 */
async function authorize(
  tx: Tx,
  session: Session,
  userId: number,
  { reauthenticationWindow }: DeletionRules,
  shownHash: string | undefined,
): Promise<boolean> {
  const people = await tx
    .selectFrom('users')
    .select(['id', 'active', 'role', 'password_hash'])
    .select(isNewAccount(sql.ref('created_at')).as('isNew'))
    .where('id', 'in', [session.userId, userId])
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  const actor = people.find(({ id, active }) => id === session.userId && active)
  const fresh = await isRecentlyAuthenticated(tx, session, reauthenticationWindow)
  if (!actor || fresh === undefined) throw new AccountError('unauthenticated')
  if (actor.id !== userId && actor.role !== 'administrator')
    throw new AccountError('not-authorized')
  const person = people.find(({ id }) => id === userId)
  if (!person) throw new AccountError('user-not-found')
  requireStepUp(fresh, shownHash, actor.password_hash)
  return person.isNew
}
