export { asUnusable } from './as-unusable.ts'
export { batchCalls } from './call-batcher.ts'
export { connect, type Db, type Tx } from './client.ts'
export { exceedsLimit, isContended, isSerializationFailure, isUnavailable } from './errors.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export { type ConnectOptions, openClient, openPool } from './pool.ts'
export type {
  AuditEventName,
  Counts,
  DeletionStatus,
  ExportStatus,
  FilesByTable,
  MailName,
  MailStatus,
  Role,
  Schema,
} from './schema.ts'
export { serializeError } from './serialize-error.ts'
export { DatabaseReadOnlyError, UnusableDatabaseError } from './session.ts'
export { openSnapshotPool, type Snapshot, type SnapshotPool } from './snapshot-pool.ts'
export { withTimeout } from './with-timeout.ts'
