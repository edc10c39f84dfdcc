import type { ColumnType, Generated, JSONColumnType } from 'kysely'

export type Role = 'member' | 'administrator'
export type DeletionStatus = 'pending' | 'cancelled' | 'erasing' | 'erased'
export type ExportStatus = 'pending' | 'ready' | 'failed' | 'withdrawn' | 'expired'
export type MailName =
  | 'deletion-scheduled'
  | 'export-ready'
  | 'deletion-reminder'
  | 'deletion-cancelled'
  | 'account-erased'
export type MailStatus = 'pending' | 'sent' | 'undeliverable' | 'superseded' | 'suppressed'
export type AuditEventName =
  | 'deletion.requested'
  | 'deletion.cancelled'
  | 'deletion.claimed'
  | 'deletion.erased'
  | 'export.ready'
  | 'export.failed'
  | 'mail.undeliverable'
  | 'deletion.retried'
  | 'folder.claimed'

/** What was erased, or would be: rows by table, and files. */
export interface Counts {
  tables: Record<string, number>
  files: number
  bytes: number
}

/** Number of files by the table whose rows name them. */
export type FilesByTable = Record<string, number>

/** The columns with which a worker leases a row (`packages/lifecycle/src/lease.ts`). */
interface Leased {
  lease: string | null
  next_attempt_at: ColumnType<Date, Date | undefined, Date>
  attempts: Generated<number>
}

export interface Schema {
  users: {
    id: ColumnType<number, never, never>
    email: string
    display_name: string | null
    password_hash: string
    role: Generated<Role>
    active: Generated<boolean>
    created_at: ColumnType<Date, never, never>
  }
  active_users: {
    id: ReadOnly<number>
    email: ReadOnly<string>
    display_name: ReadOnly<string | null>
    password_hash: ReadOnly<string>
    role: ReadOnly<Role>
    created_at: ReadOnly<Date>
  }
  sessions: {
    id: Generated<string>
    user_id: number
    kind: 'cookie' | 'refresh'
    token_hash: Buffer
    authenticated_at: Generated<Date>
    expires_at: Date
  }
  'vault.person_keys': {
    user_id: number
    sealed_key: Buffer
  }
  saved_passwords: {
    id: string
    user_id: number
    site: string
    username: string
    secret: Buffer
    created_at: Generated<Date>
  }
  avatars: {
    user_id: number
    file_name: string
    content_type: 'image/png' | 'image/jpeg' | 'image/webp'
    bytes: number
    created_at: Generated<Date>
  }
  deletions: Leased & {
    id: Generated<string>
    user_id: number | null
    status: Generated<DeletionStatus>
    requested_at: Generated<Date>
    erase_after: Date
    next_reminder_at: Date | null
    cancelled_at: Date | null
    claimed_at: Date | null
    erased_at: Date | null
    token_nonce: Buffer | null
    token_hash: Buffer
    erased_counts: JSONColumnType<Counts> | null
    released_at: Date | null
    files_found: JSONColumnType<FilesByTable> | null
    files_missing: JSONColumnType<FilesByTable> | null
    files_accepted: JSONColumnType<FilesByTable> | null
    new_account: Generated<boolean>
    passed_at: Date | null
  }
  exports: Leased & {
    id: Generated<string>
    deletion_id: string | null
    user_id: number | null
    status: Generated<ExportStatus>
    requested_at: Generated<Date>
    created_at: Date | null
    expires_at: Date | null
    file_name: string | null
    bytes: number | null
    sha256: Buffer | null
    token_nonce: Buffer | null
    token_hash: Buffer
    downloads: Generated<number>
    downloaded_at: Date | null
    recent_tickets: Generated<string[]>
    checked_at: Date | null
    missing_since: Date | null
  }
  outbox: Leased & {
    id: Generated<string>
    mail: MailName
    deletion_id: string | null
    export_id: string | null
    address: string | null
    status: Generated<MailStatus>
    created_at: Generated<Date>
    finished_at: Date | null
  }
  audit_events: {
    id: ColumnType<number, never, never>
    deletion_id: string | null
    event: AuditEventName
    details: JSONColumnType<object, string | undefined>
    at: ColumnType<Date, never, never>
    position: number | null
    hash: Buffer | null
  }
  breaker_trips: {
    id: ColumnType<number, never, never>
    new_accounts: Generated<boolean>
    tripped_at: Generated<Date>
    at_once: number
    users: number
    floor: number
    share: ColumnType<string, number, never>
    released_at: Date | null
    released: number | null
    held_from: Generated<Date>
    held_until: Generated<Date>
    passed: Generated<number>
    release_until: Date | null
    marked: Generated<number>
  }
  secret_key_check: {
    singleton: Generated<boolean>
    value: Buffer
  }
  rate_limits: {
    bucket: Buffer
    hits: number
    ends_at: Date
  }
}

type ReadOnly<T> = ColumnType<T, never, never>
