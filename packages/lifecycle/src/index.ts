export {
  hasUnsealedEvents,
  recordAuditEvents,
  sealAuditEvents,
  verifyAuditChain,
} from './audit-log.ts'
export {
  type BreakerLimits,
  describeKind,
  describeLimits,
  describeTrip,
  findOpenTrips,
  type HeldDeletions,
  isErasureStopped,
  isNewAccount,
  mustTrip,
  readHeldDeletions,
  type Trip,
  tripBreaker,
} from './circuit-breaker.ts'
export {
  type CountedDeletions,
  type HeldByActor,
  readCountedDeletions,
  summarizeHeldDeletions,
} from './circuit-breaker-report.ts'
export { readDatabaseTime } from './database-time.ts'
export { type Cancelled, cancelDeletion, cancelDeletionByToken } from './deletions/cancel.ts'
export {
  type Claim,
  type ClaimedDeletion,
  claimDeletions,
  hasClaimable,
  isClaimable,
  mayBeClaimed,
} from './deletions/claim.ts'
export { finishErasure } from './deletions/erase.ts'
export { eraseInChunks, type Pace } from './deletions/erase-in-chunks.ts'
export { type FoundFiles, recordFindings, retryErasure } from './deletions/file-findings.ts'
export { findLatestDeletion } from './deletions/find-latest.ts'
export { findOpenDeletion } from './deletions/find-open.ts'
export { type ListedDeletion, listDeletions } from './deletions/list.ts'
export { hasDueReminders, stageReminders } from './deletions/reminders.ts'
export { type Deletion, scheduleDeletion } from './deletions/schedule.ts'
export { showDeletion } from './deletions/show.ts'
export { deletionStatus } from './deletions/status.ts'
export { LifecycleError, type LifecycleErrorCode, RuleError } from './errors.ts'
export {
  deleteAttempt,
  findOrphanedAttempts,
  type OrphanedAttempt,
  postponeAttempt,
  recordAttempts,
} from './exports/archive-attempts.ts'
export {
  findArchivesToCheck,
  handleMissingArchive,
  recordCheckedArchives,
} from './exports/check-archives.ts'
export { dispatchExports, hasPendingExports } from './exports/dispatch.ts'
export {
  destroyExport,
  findArchive,
  openExport,
  type ReadyArchive,
  recordDownload,
} from './exports/open.ts'
export {
  findPendingExports,
  giveUpExports,
  publishArchives,
  type StoredExport,
} from './exports/publish.ts'
export {
  expireExports,
  findArchivesToRemove,
  hasArchivesToRemove,
  hasExportsToExpire,
  recordRemovedArchive,
} from './exports/remove-archives.ts'
export { listExports, type OwnExport, requestOwnExport } from './exports/request.ts'
export { adoptSecretKey, deriveKeys, type Keys, matchesSecretKey } from './keys.ts'
export {
  type AcquiredLease,
  acquire,
  acquireEach,
  dispatchBatch,
  dispatchEach,
  hasUnleased,
  LeaseLostError,
  release,
  renew,
  withLease,
} from './lease.ts'
export { dispatchMails, hasPendingMails } from './outbox/dispatch.ts'
export { type MailFacts, readMails } from './outbox/mail-facts.ts'
export { finishMail, type LeasedMail, type Outbox, openOutbox } from './outbox/outbox.ts'
export { purgeMails } from './outbox/purge-mails.ts'
export { consumeMailLimit, countHit, purgeRateLimits } from './rate-limits.ts'
export { type Alarms, readAlarms } from './read-alarms.ts'
export { type BacklogCounts, MAX_COUNT, readCounts } from './read-counts.ts'
export { createReadinessCheck, foreignSecretKey, type Readiness, whyUnusable } from './readiness.ts'
export { beginRelease, hasReleaseToFinish, type Release, releaseBatch } from './release-held.ts'
export { archiveKey, deletionToken, exportToken, randomToken, tokenHash } from './tokens.ts'
