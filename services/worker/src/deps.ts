import type { FolderGuard, Storage } from '@lethe/archive'
import type { Db, SnapshotPool } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import type { BreakerLimits, Keys, Outbox } from '@lethe/lifecycle'
import type { Logger } from 'pino'
import type { Mailer } from './mailer.ts'

/** What the worker is given to work with. */
export interface Deps {
  db: Db
  keys: Keys
  log: Logger
  mailer: Mailer
  publicUrl: string
  /** Connections for exports, which hold one for as long as they take. */
  readers: SnapshotPool
  /** Where archives lie. */
  storage: Storage
  /** Whether EXPORT_DIR and UPLOAD_DIR are this database's. */
  folders: FolderGuard
  uploadDir: string
  /** What belongs to a person, and what becomes of it. */
  dataMap: DataMap
  /** ISO 8601, counted from the date of the erasure. */
  exportTtl: string
  /** Beyond it erasure stops. */
  breakerLimits: BreakerLimits
  /** Sessions belong to whoever brings the people: forgets up to `limit` that have ended, and returns how many. */
  purgeExpiredSessions(db: Db, limit: number): Promise<number>
  /** Whether mails of one kind to one address are limited. */
  rateLimits: boolean
}

/** What a handler is given. */
export interface HandlerDeps extends Deps {
  outbox: Outbox
  /** Fires when it has to let go of what it is doing. */
  stop: AbortSignal
}
