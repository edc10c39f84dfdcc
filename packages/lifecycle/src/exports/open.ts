import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { LifecycleError } from '../errors.ts'
import type { Keys } from '../keys.ts'
import { archiveKey, tokenHash } from '../tokens.ts'

export interface ReadyArchive {
  exportId: string
  fileName: string
  /** The key that decrypts the archive. It is erased when the archive expires or is withdrawn. */
  key: Buffer
  bytes: number
  sha256: Buffer
  createdAt: Date
  expiresAt: Date
  downloads: number
  downloadedAt: Date | null
  /**
   * Whether the person can read the saved passwords with the account password: while the deletion behind this export
   * is pending.
   */
  opensVault: boolean
}

/** Throws `export-not-found`, `export-not-ready`, or `export-gone` (expired, withdrawn or given up). */
export async function openExport(db: Db, keys: Keys, token: string): Promise<ReadyArchive> {
  const found = findExport(db).where('token_hash', '=', tokenHash(token))
  return readyArchive(keys, await found.executeTakeFirst())
}

export async function findArchive(db: Db, keys: Keys, exportId: string): Promise<ReadyArchive> {
  return readyArchive(keys, await findExport(db).where('id', '=', exportId).executeTakeFirst())
}

/** This many downloads of one archive can run, and resume after a break, without being counted twice. */
const RECENT_TICKETS = 100

/**
 * Counts a download once per ticket, whether it fetches the archive in whole or in part. The count lets the person
 * notice a download by someone else. Throws `export-gone` if the archive was destroyed or withdrawn meanwhile.
 */
export async function recordDownload(db: Db, exportId: string, ticket: string): Promise<void> {
  const { rows } = await sql`
    update public.exports
    set downloads = downloads + (${ticket}::uuid <> all(recent_tickets))::integer, downloaded_at = now(),
      recent_tickets = (array_prepend(${ticket}::uuid, array_remove(recent_tickets, ${ticket}::uuid)))[:${RECENT_TICKETS}]
    where id = ${exportId} and status = 'ready' returning 1`.execute(db)
  if (rows.length === 0) throw new LifecycleError('export-gone')
}

/**
 * Destroys the key of an archive before it expires, for a person with its link: no copy can be read from here on.
 * Returns where the archive is stored. Throws `export-not-found`, `export-not-ready`, `export-gone`.
 */
export async function destroyExport(
  db: Db,
  keys: Keys,
  token: string,
): Promise<{ exportId: string; fileName: string }> {
  for (;;) {
    const { rows } = await sql<{ exportId: string; fileName: string }>`
      update public.exports set status = 'withdrawn', token_nonce = null, next_attempt_at = now()
      where token_hash = ${tokenHash(token)} and status = 'ready' and expires_at > now()
      returning id as "exportId", file_name as "fileName"`.execute(db)
    if (rows[0]) return rows[0]
    // Throws the reason; if the export has become ready since, the loop tries again.
    await openExport(db, keys, token)
  }
}

function findExport(db: Db) {
  return db
    .selectFrom('exports')
    .select(['id as exportId', 'status', 'file_name as fileName', 'bytes', 'sha256'])
    .select(['created_at as createdAt', 'expires_at as expiresAt', 'token_nonce as nonce'])
    .select(['downloads', 'downloaded_at as downloadedAt'])
    .select(sql<boolean>`coalesce(expires_at <= now(), false)`.as('expired'))
    .select(
      sql<boolean>`exists (select from public.deletions d where d.id = deletion_id and d.status = 'pending')`.as(
        'opensVault',
      ),
    )
}

type ExportRow = NonNullable<Awaited<ReturnType<ReturnType<typeof findExport>['executeTakeFirst']>>>

function readyArchive(keys: Keys, row: ExportRow | undefined): ReadyArchive {
  if (!row) throw new LifecycleError('export-not-found')
  const { exportId, status, expired, fileName, bytes, sha256, createdAt, expiresAt, nonce } = row
  if (status === 'pending') throw new LifecycleError('export-not-ready')
  if (status !== 'ready' || expired) throw new LifecycleError('export-gone')
  // A check constraint guarantees that a ready export has all of these.
  if (!fileName || !bytes || !sha256 || !createdAt || !expiresAt || !nonce)
    throw new Error('a ready export without its archive')
  const { downloads, downloadedAt, opensVault } = row
  const key = archiveKey(keys, nonce)
  return {
    exportId,
    fileName,
    key,
    bytes,
    sha256,
    createdAt,
    expiresAt,
    downloads,
    downloadedAt,
    opensVault,
  }
}
