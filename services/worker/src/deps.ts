import type { FolderGuard, Storage } from '@lethe/archive'
import type { Db, SnapshotPool } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import type { BreakerLimits, Keys, Outbox } from '@lethe/lifecycle'
import type { Logger } from 'pino'
import type { Mailer } from './mailer.ts'

/** The dependencies of a worker. */
export interface Deps {
  db: Db
  keys: Keys
  log: Logger
  mailer: Mailer
  publicUrl: string
  /** Connections for exports: each export job holds one while it runs. */
  snapshotPool: SnapshotPool
  /** The archive storage. */
  storage: Storage
  /** Checks that EXPORT_DIR and UPLOAD_DIR belong to this database. */
  folders: FolderGuard
  uploadDir: string
  /** The data that belongs to a person, and how erasure handles it. */
  dataMap: DataMap
  /** ISO 8601 duration, counted from the date of the erasure. */
  exportTtl: string
  /** The circuit breaker stops erasure beyond these limits. */
  breakerLimits: BreakerLimits
  /** Deletes up to `limit` expired sessions and returns how many. The application that owns the users provides it. */
  purgeExpiredSessions(db: Db, limit: number): Promise<number>
  /** Whether the number of mails of one kind to one address is limited. */
  rateLimits: boolean
}

/** The dependencies of a handler. */
export interface HandlerDeps extends Deps {
  outbox: Outbox
  /** Aborts when the worker stops: the handler must release its leases. */
  stop: AbortSignal
}
