import type { Db, Tx } from '@lethe/db'
import type { Keys } from '@lethe/lifecycle'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import { seal, unseal } from './sealing.ts'

export interface SavedPassword {
  id: string
  site: string
  username: string
  password: string
  createdAt: Date
}

// The list is returned whole, so its length is limited.
const MAX_SAVED_PASSWORDS = 2_000

/** Each person has their own key: erasing it makes older copies of what it encrypted unreadable. */
export async function createPersonKey(
  tx: Tx,
  keys: Keys,
  userId: number,
  key: Buffer,
): Promise<void> {
  await tx
    .insertInto('vault.person_keys')
    .values({ user_id: userId, sealed_key: seal(keys.vault, String(userId), key) })
    .execute()
}

/** Throws `too-many-saved-passwords` beyond two thousand. */
export async function savePassword(
  db: Db,
  keys: Keys,
  userId: number,
  entry: { site: string; username: string; password: string },
): Promise<SavedPassword> {
  const personKey = await openPersonKey(db, keys, userId)
  const id = crypto.randomUUID()
  const secret = seal(personKey, `${userId} ${id}`, Buffer.from(entry.password))
  // Locks the active user in the same statement, so that nothing is written after a deletion begins.
  const saved = await db
    .insertInto('saved_passwords')
    .columns(['id', 'user_id', 'site', 'username', 'secret'])
    .expression((from) =>
      from
        .selectFrom('active_users')
        .select([
          sql.val(id).$castTo<string>().as('id'),
          'id as user_id',
          sql.val(entry.site).as('site'),
          sql.val(entry.username).as('username'),
          sql.val(secret).as('secret'),
        ])
        .where('id', '=', userId)
        .where(countSavedPasswords(userId), '<', MAX_SAVED_PASSWORDS)
        .forShare(),
    )
    .returning('created_at as createdAt')
    .executeTakeFirst()
  if (!saved) throw new AccountError(await findSaveError(db, userId))
  return { id, ...entry, ...saved }
}

function countSavedPasswords(userId: number) {
  return sql<number>`(select count(*) from public.saved_passwords where user_id = ${userId})`
}

async function findSaveError(db: Db, userId: number) {
  const user = await db
    .selectFrom('active_users')
    .select('id')
    .where('id', '=', userId)
    .executeTakeFirst()
  return user ? 'too-many-saved-passwords' : 'unauthenticated'
}

/**
 * Returns the decrypted passwords, oldest first. It works for a deactivated account too, because they belong to the
 * person during the grace period.
 */
export async function listSavedPasswords(
  db: Db,
  keys: Keys,
  userId: number,
): Promise<SavedPassword[]> {
  const personKey = await openPersonKey(db, keys, userId)
  const rows = await db
    .selectFrom('saved_passwords')
    .select(['id', 'site', 'username', 'secret', 'created_at as createdAt'])
    .where('user_id', '=', userId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
  return rows.map(({ secret, ...entry }) => ({
    ...entry,
    password: unseal(personKey, `${userId} ${entry.id}`, secret).toString(),
  }))
}

export async function removeSavedPassword(db: Db, userId: number, id: string): Promise<void> {
  // Locks the active user here too: a person's data does not change during the grace period.
  const { rows } = await sql`
    with owner as (select id from public.active_users where id = ${userId} for share)
    delete from public.saved_passwords using owner
    where saved_passwords.id = ${id} and saved_passwords.user_id = owner.id returning 1`.execute(db)
  if (rows.length === 0) throw new AccountError('saved-password-not-found')
}

async function openPersonKey(db: Db, keys: Keys, userId: number): Promise<Buffer> {
  const row = await db
    .selectFrom('vault.person_keys')
    .select('sealed_key')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (!row) throw new AccountError('unauthenticated')
  return unseal(keys.vault, String(userId), row.sealed_key)
}
