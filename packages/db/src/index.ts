export { batched } from './batched.ts'
export { type ConnectOptions, connect, type Db, type Tx } from './client.ts'
export { describeError } from './describe-error.ts'
export { isContended, isUnavailable } from './errors.ts'
export { migrate, pendingMigrations } from './migrate.ts'
export { connectReaders, type Readers, type Snapshot } from './readers.ts'
export type {
  AuditEventName,
  Counts,
  DeletionStatus,
  ExportStatus,
  MailName,
  MailStatus,
  Role,
  Schema,
} from './schema.ts'
