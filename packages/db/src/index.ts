export { asUnusable } from './as-unusable.ts'
export { batched } from './batched.ts'
export { connect, type Db, type Tx } from './client.ts'
export { describeError } from './describe-error.ts'
export { exceedsLimit, isContended, isSerializationFailure, isUnavailable } from './errors.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export { type ConnectOptions, openClient, openPool } from './pool.ts'
export { connectReaders, type Readers, type Snapshot } from './readers.ts'
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
export { DatabaseReadOnlyError, UnusableDatabaseError } from './session.ts'
