import type { Db } from '@lethe/db'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import type { Session } from './session.ts'

/** Ends every other session of the user in the same transaction, which logs out anyone who used the old password. */
export async function changePassword(
  db: Db,
  hasher: Hasher,
  session: Session,
  change: { currentPassword: string; newPassword: string },
): Promise<void> {
  const old = await db
    .selectFrom('active_users')
    .select('password_hash')
    .where('id', '=', session.userId)
    .executeTakeFirst()
  if (!old) throw new AccountError('unauthenticated')
  if (!(await hasher.verify(old.password_hash, change.currentPassword)))
    throw new AccountError('wrong-password')
  const passwordHash = await hasher.hash(change.newPassword)
  await db.transaction().execute(async (tx) => {
    // The condition on the old hash lets one of two concurrent changes win; the condition on `active` rejects a
    // change after a deletion.
    const { numUpdatedRows } = await tx
      .updateTable('users')
      .set({ password_hash: passwordHash })
      .where('id', '=', session.userId)
      .where('active', '=', true)
      .where('password_hash', '=', old.password_hash)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new AccountError('wrong-password')
    await tx
      .deleteFrom('sessions')
      .where('user_id', '=', session.userId)
      .where('id', '!=', session.id)
      .execute()
  })
}
