import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { AccountError } from './errors.ts'
import type { Hasher } from './hashing.ts'
import type { Keys } from './keys.ts'
import { listSavedPasswords, type SavedPassword } from './saved-passwords.ts'
import { tokenHash } from './tokens.ts'

export interface Archive {
  exportId: string
  fileName: string
  bytes: number
  sha256: Buffer
  createdAt: Date
  expiresAt: Date
}

/**
 * The archive is whole and stored: offers it, and stages the mail with its link. False when the export was withdrawn or
 * given up meanwhile, or the lease lost: then the archive is to be removed.
 * `ttl` counts from the date of the erasure (ISO 8601).
 */
export async function finishExport(
  db: Db,
  made: { exportId: string; lease: string; fileName: string; bytes: number; sha256: Buffer },
  ttl: string,
): Promise<boolean> {
  const { rows } = await sql`
    with made as (
      update exports e
      set status = 'ready', created_at = now(), expires_at = d.erase_after + ${ttl}::interval, lease = null, next_attempt_at = now(),
        file_name = ${made.fileName}, bytes = ${made.bytes}, sha256 = ${made.sha256}
      from deletions d
      where e.id = ${made.exportId} and e.lease = ${made.lease} and e.status = 'pending'
        and d.id = e.deletion_id and d.status = 'pending'
      returning e.deletion_id
    ), mailed as (
      insert into outbox (mail, deletion_id) select 'export-ready', deletion_id from made
    ), noted as (
      insert into audit_events (deletion_id, event) select deletion_id, 'export.ready' from made
    )
    select from made`.execute(db)
  return rows.length === 1
}

/** `export-not-found`, `export-not-ready`, `export-gone` (expired, withdrawn or given up). */
export async function openExport(db: Db, token: string): Promise<Archive> {
  return readyArchive(
    await findExport(db).where('token_hash', '=', tokenHash(token)).executeTakeFirst(),
  )
}

export async function findArchive(db: Db, exportId: string): Promise<Archive> {
  return readyArchive(await findExport(db).where('id', '=', exportId).executeTakeFirst())
}

/** Whose export this is, as long as the deletion is pending; else `export-gone`, or `export-not-found`. */
export async function findExportOwner(
  db: Db,
  token: string,
): Promise<{ userId: number; email: string; passwordHash: string }> {
  const row = await db
    .selectFrom('exports')
    .innerJoin('deletions', 'deletions.id', 'exports.deletion_id')
    .leftJoin('users', 'users.id', 'deletions.user_id')
    .select(['deletions.status', 'users.id as userId', 'users.email'])
    .select('users.password_hash as passwordHash')
    .where('exports.token_hash', '=', tokenHash(token))
    .executeTakeFirst()
  if (!row) throw new AccountError('export-not-found')
  const { status, userId, email, passwordHash } = row
  if (status !== 'pending' || !userId || !email || !passwordHash)
    throw new AccountError('export-gone', {
      detail: 'The saved passwords can be fetched only until the account is erased or kept.',
    })
  return { userId, email, passwordHash }
}

/**
 * The saved passwords in clear: only during the grace period, and only with the account's password.
 * A link in a mailbox must not open the vault.
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

/** Closes up to `limit` archives whose time is over; returns how many. */
export async function expireExports(db: Db, limit = 1_000): Promise<number> {
  const { numAffectedRows } = await sql`
    update exports set status = 'expired', token_nonce = null
    where id in (select id from exports where status = 'ready' and expires_at <= now()
                 limit ${limit} for update skip locked)`.execute(db)
  return Number(numAffectedRows)
}

/**
 * Up to `limit` archives that nobody may open any more and that still lie there. One that is not told of as removed is
 * among them again after a minute, behind the others: it holds nobody up.
 */
export async function archivesToRemove(
  db: Db,
  limit: number,
): Promise<{ exportId: string; fileName: string }[]> {
  const { rows } = await sql<{ exportId: string; fileName: string }>`
    with closed as materialized (
      select id from exports
      where file_name is not null and status in ('failed', 'withdrawn', 'expired') and next_attempt_at <= now()
      order by next_attempt_at limit ${limit} for update skip locked
    )
    update exports e set next_attempt_at = now() + interval '1 minute' from closed where e.id = closed.id
    returning e.id as "exportId", e.file_name as "fileName"`.execute(db)
  return rows
}

export async function archiveRemoved(db: Db, exportId: string): Promise<void> {
  await db
    .updateTable('exports')
    .set({ file_name: null })
    .where('id', '=', exportId)
    .where('status', 'in', ['failed', 'withdrawn', 'expired'])
    .execute()
}

function findExport(db: Db) {
  return db
    .selectFrom('exports')
    .select(['id as exportId', 'status', 'file_name as fileName', 'bytes', 'sha256'])
    .select(['created_at as createdAt', 'expires_at as expiresAt'])
    .select(sql<boolean>`coalesce(expires_at <= now(), false)`.as('expired'))
}

type ExportRow = NonNullable<Awaited<ReturnType<ReturnType<typeof findExport>['executeTakeFirst']>>>

function readyArchive(row: ExportRow | undefined): Archive {
  if (!row) throw new AccountError('export-not-found')
  const { exportId, status, expired, fileName, bytes, sha256, createdAt, expiresAt } = row
  if (status === 'pending') throw new AccountError('export-not-ready')
  if (status !== 'ready' || expired) throw new AccountError('export-gone')
  // A check constraint says that a ready export has them all.
  if (!fileName || !bytes || !sha256 || !createdAt || !expiresAt)
    throw new Error('a ready export without its archive')
  return { exportId, fileName, bytes, sha256, createdAt, expiresAt }
}
