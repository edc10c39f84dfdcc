import type { Schema, Tx } from '@lethe/db'
import type { SelectQueryBuilder } from 'kysely'
import type { Row } from './formats.ts'
import { streamRows } from './snapshot.ts'

/** One kind of data: a table in the archive, once as JSON and once as CSV. */
export interface Kind {
  name: string
  /** What the reader finds in it, as one line of the README. */
  about: string
  columns: readonly string[]
  rows(tx: Tx, userId: number): AsyncIterable<Row>
}

/**
 * What is handed over, column by column: what is not named here stays inside. The table `users` is read
 * and not the view of active accounts, because whoever gets an archive is deactivated.
 */
export const kinds: readonly Kind[] = [
  kind(
    'profile',
    'your account: address, name, role, when it was made',
    ['id', 'email', 'displayName', 'role', 'active', 'createdAt'],
    (tx, userId) =>
      tx
        .selectFrom('users')
        .select(['id', 'email', 'display_name as displayName', 'role', 'active'])
        .select('created_at as createdAt')
        .where('id', '=', userId),
  ),
  kind(
    'sessions',
    'your log-ins; mostly empty, because asking for the deletion ended them all',
    ['kind', 'authenticatedAt', 'expiresAt'],
    (tx, userId) =>
      tx
        .selectFrom('sessions')
        .select(['kind', 'authenticated_at as authenticatedAt', 'expires_at as expiresAt'])
        .where('user_id', '=', userId)
        .orderBy('authenticated_at')
        .orderBy('id'),
  ),
  kind(
    'saved-passwords',
    'the sites and user names you saved, without the passwords themselves',
    ['site', 'username', 'createdAt'],
    (tx, userId) =>
      tx
        .selectFrom('saved_passwords')
        .select(['site', 'username', 'created_at as createdAt'])
        .where('user_id', '=', userId)
        .orderBy('created_at')
        .orderBy('id'),
  ),
  kind(
    'avatar',
    'when your picture was uploaded, and its type and size in bytes',
    ['contentType', 'bytes', 'createdAt'],
    (tx, userId) =>
      tx
        .selectFrom('avatars')
        .select(['content_type as contentType', 'bytes', 'created_at as createdAt'])
        .where('user_id', '=', userId),
  ),
  kind(
    'deletion',
    'each time you asked for the account to be deleted, and what became of it',
    ['id', 'status', 'requestedAt', 'eraseAfter', 'cancelledAt'],
    (tx, userId) =>
      tx
        .selectFrom('deletions')
        .select(['id', 'status', 'requested_at as requestedAt', 'erase_after as eraseAfter'])
        .select('cancelled_at as cancelledAt')
        .where('user_id', '=', userId)
        .orderBy('requested_at')
        .orderBy('id'),
  ),
]

function kind<TB extends keyof Schema, R extends Row>(
  name: string,
  about: string,
  columns: readonly (keyof R & string)[],
  query: (tx: Tx, userId: number) => SelectQueryBuilder<Schema, TB, R>,
): Kind {
  return { name, about, columns, rows: (tx, userId) => streamRows(tx, query(tx, userId)) }
}
