export { hasUnsealedEvents, noteEvents, sealAuditEvents, verifyAuditChain } from './audit-log.ts'
export {
  type BlastRadius,
  countedAtOnce,
  describeKind,
  describeLimits,
  describeTrip,
  type Held,
  isHeld,
  isNewAccount,
  isStopped,
  mustTrip,
  openTrips,
  readHeld,
  type Trip,
  tripBreaker,
} from './circuit-breaker.ts'
export { databaseTime } from './database-time.ts'
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
export { erasePortions, type Pace } from './deletions/erase-in-chunks.ts'
export { type FoundFiles, recordFindings, retryErasure } from './deletions/file-findings.ts'
export { findLatestDeletion } from './deletions/find-latest.ts'
export { findOpenDeletion } from './deletions/find-open.ts'
export { hasDueReminders, stageReminders } from './deletions/reminders.ts'
export { type Deletion, scheduleDeletion } from './deletions/schedule.ts'
export { deletionStatus } from './deletions/status.ts'
export { LifecycleError, type LifecycleErrorCode } from './errors.ts'
export {
  type DeadAttempt,
  findDeadAttempts,
  forgetAttempt,
  postponeAttempt,
  recordAttempts,
} from './exports/archive-attempts.ts'
export { archiveMissing, archivesChecked, archivesToCheck } from './exports/check-archives.ts'
export { hasExportsToMake, lendExports } from './exports/dispatch.ts'
export {
  type Archive,
  destroyExport,
  findArchive,
  noteDownload,
  openExport,
} from './exports/open.ts'
export {
  findWantedExports,
  finishExports,
  giveUpExports,
  type StoredExport,
} from './exports/publish.ts'
export {
  archiveRemoved,
  archivesToRemove,
  expireExports,
  hasArchivesToRemove,
  hasExportsToExpire,
} from './exports/remove-archives.ts'
export { listExports, type OwnExport, requestOwnExport } from './exports/request.ts'
export { adoptSecretKey, deriveKeys, fitsSecretKey, type Keys } from './keys.ts'
export {
  giveBack,
  hasFree,
  keep,
  LeaseLost,
  lendEach,
  lendTogether,
  type Taken,
  take,
  takeEach,
  whileLeased,
} from './lease.ts'
export { type MailFacts, readMails } from './outbox/mail-facts.ts'
export { finishMail, type LeasedMail, type Outbox, openOutbox } from './outbox/outbox.ts'
export { forgetMails } from './outbox/purge-mails.ts'
export { countHit, forgetOldHits, spendMailAllowance } from './rate-limits.ts'
export { type Alarms, readAlarms } from './read-alarms.ts'
export { type BacklogCounts, MAX_COUNT, readCounts } from './read-counts.ts'
export { foreignSecretKey, type Readiness, readiness } from './readiness.ts'
export { beginRelease, hasReleaseToFinish, type Release, releaseBatch } from './release-held.ts'
export { archiveKey, deletionToken, exportToken, randomToken, tokenHash } from './tokens.ts'
