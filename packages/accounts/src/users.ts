import { randomBytes } from 'node:crypto'
import type { Db } from '@lethe/db'
import type { Keys } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { normalizeAddress } from './email-address.ts'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import { createPersonKey } from './saved-passwords.ts'
import type { Session } from './session.ts'

export interface User {
  id: number
  email: string
  displayName: string | null
  createdAt: Date
}

export interface SignUp {
  email: string
  password: string
  displayName?: string | undefined
}

/**
 * Throws `address-taken` even if the account with the address is in its grace period: the response does not reveal
 * which.
 */
export async function signUp(db: Db, keys: Keys, hasher: Hasher, wanted: SignUp): Promise<User> {
  const passwordHash = await hasher.hash(wanted.password)
  return db.transaction().execute(async (tx) => {
    const user = await tx
      .insertInto('users')
      .values({
        email: normalizeAddress(wanted.email),
        display_name: wanted.displayName ?? null,
        password_hash: passwordHash,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning(['id', 'email', 'display_name as displayName', 'created_at as createdAt'])
      .executeTakeFirst()
    if (!user) throw new AccountError('address-taken')
    await createPersonKey(tx, keys, user.id, randomBytes(32))
    return user
  })
}

export async function getUser(db: Db, id: number): Promise<User> {
  const user = await db
    .selectFrom('active_users')
    .select(['id', 'email', 'display_name as displayName', 'created_at as createdAt'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (!user) throw new AccountError('user-not-found')
  return user
}

/** Returns the caller's address. Throws `unauthenticated` if a deletion has begun meanwhile. */
export async function getAddress(db: Db, session: Session): Promise<string> {
  const user = await db
    .selectFrom('active_users')
    .select('email')
    .where('id', '=', session.userId)
    .executeTakeFirst()
  if (!user) throw new AccountError('unauthenticated')
  return user.email
}

/**
 * Makes a user an administrator, or a member again. The HTTP API offers no way to do this. Returns false if there is
 * no such active user.
 */
export async function setRole(
  db: Db,
  email: string,
  role: 'member' | 'administrator',
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('users')
    .set({ role })
    .where(sql<string>`lower(email collate "C")`, '=', normalizeAddress(email).toLowerCase())
    .where('active', '=', true)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
