import type { Db, DeletionStatus, ExportStatus } from '@lethe/db'
import { LifecycleError } from '../errors.ts'
import { tokenHash } from '../tokens.ts'

export interface DeletionReport {
  id: string
  status: DeletionStatus
  requestedAt: Date
  eraseAfter: Date
  cancelledAt: Date | null
  erasedAt: Date | null
  export: {
    status: ExportStatus
    bytes: number | null
    expiresAt: Date | null
    downloads: number
    downloadedAt: Date | null
  }
}

/** Returns the state of the deletion with this token. It works for a tombstone too. */
export async function deletionStatus(db: Db, token: string): Promise<DeletionReport> {
  const row = await db
    .selectFrom('deletions')
    .innerJoin('exports', 'exports.deletion_id', 'deletions.id')
    .select(['deletions.id', 'deletions.status', 'deletions.requested_at as requestedAt'])
    .select(['erase_after as eraseAfter', 'cancelled_at as cancelledAt', 'erased_at as erasedAt'])
    .select(['exports.status as exportStatus', 'bytes', 'expires_at as expiresAt'])
    .select(['downloads', 'downloaded_at as downloadedAt'])
    .where('deletions.token_hash', '=', tokenHash(token))
    .executeTakeFirst()
  if (!row) throw new LifecycleError('deletion-not-found')
  const { exportStatus, bytes, expiresAt, downloads, downloadedAt, ...deletion } = row
  return {
    ...deletion,
    export: { status: exportStatus, bytes, expiresAt, downloads, downloadedAt },
  }
}
