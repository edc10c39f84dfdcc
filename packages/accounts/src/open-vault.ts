import type { Db } from '@lethe/db'
import { type Keys, LifecycleError, tokenHash } from '@lethe/lifecycle'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import { listSavedPasswords, type SavedPassword } from './saved-passwords.ts'

/**
 * Returns the owner of this export while the deletion is pending. Throws `export-gone` or `export-not-found`
 * otherwise.
 */
export async function findExportOwner(
  db: Db,
  token: string,
): Promise<{ userId: number; email: string; passwordHash: string }> {
  const row = await db
    .selectFrom('exports')
    .leftJoin('deletions', 'deletions.id', 'exports.deletion_id')
    .leftJoin('users', 'users.id', 'deletions.user_id')
    .select(['deletions.status', 'users.id as userId', 'users.email'])
    .select('users.password_hash as passwordHash')
    .where('exports.token_hash', '=', tokenHash(token))
    .executeTakeFirst()
  if (!row) throw new LifecycleError('export-not-found')
  const { status, userId, email, passwordHash } = row
  if (status !== 'pending' || !userId || !email || !passwordHash)
    throw new LifecycleError('export-gone', {
      detail: 'The saved passwords can be fetched only until the account is erased or kept.',
    })
  return { userId, email, passwordHash }
}

/**
 * Returns the decrypted saved passwords, only during the grace period and only with the account password: a link in a
 * mailbox must not be enough to open the vault.
 */
export async function openVault(
  db: Db,
  keys: Keys,
  hasher: Hasher,
  owner: { userId: number; passwordHash: string },
  password: string,
): Promise<SavedPassword[]> {
  if (!(await hasher.verify(owner.passwordHash, password))) throw new AccountError('wrong-password')
  return listSavedPasswords(db, keys, owner.userId)
}
