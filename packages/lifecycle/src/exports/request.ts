import { randomBytes } from 'node:crypto'
import type { Db, ExportStatus, Tx } from '@lethe/db'
import { sql } from 'kysely'
import { LifecycleError } from '../errors.ts'
import type { Keys } from '../keys.ts'
import { exportToken, tokenHash } from '../tokens.ts'

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
 * Requests an archive without a deletion. While one is pending, it returns that one. The caller holds a lock on the
 * person until this commits, so no two requests count at the same time. `perDay` is the limit within 24 hours.
 * Errors: `too-many-exports` with `retryAfter`, in seconds.
 */
export async function requestOwnExport(
  tx: Tx,
  keys: Keys,
  userId: number,
  perDay: number,
): Promise<OwnExport> {
  const pending = await ownExports(tx, userId).where('status', '=', 'pending').executeTakeFirst()
  if (pending) return pending
  await refuseTooMany(tx, userId, perDay)
  const nonce = randomBytes(32)
  const { id } = await tx
    .insertInto('exports')
    .values({
      user_id: userId,
      token_nonce: nonce,
      token_hash: tokenHash(exportToken(keys, nonce)),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return ownExports(tx, userId).where('id', '=', id).executeTakeFirstOrThrow()
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
  if (asked >= perDay) throw new LifecycleError('too-many-exports', { retryAfter })
}

/** Returns the exports that the person requested without a deletion, the latest first. */
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
