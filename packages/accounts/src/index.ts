export { hasUnsealedEvents, noteEvents, sealAuditEvents, verifyAuditChain } from './audit.ts'
export { findAvatar, imageType, putAvatar, removeAvatar } from './avatars.ts'
export {
  type BlastRadius,
  countedAtOnce,
  describeKind,
  describeLimits,
  describeTrip,
  type Held,
  isHeld,
  isStopped,
  mustTrip,
  openTrips,
  readHeld,
  type Trip,
  tripBreaker,
} from './blast-radius.ts'
export {
  type Cancelled,
  cancelDeletionByPassword,
  cancelDeletionByToken,
} from './cancel-deletion.ts'
export { changePassword } from './change-password.ts'
export { dataMap, lifecycleTables, picturesFolder } from './data-map.ts'
export { databaseTime } from './database-time.ts'
export { deletionStatus, previewDeletion } from './deletion-status.ts'
export { hasMailableDomain, hasMailableLocalPart, storedAddress } from './email-address.ts'
export {
  type Claim,
  type ClaimedDeletion,
  claimDeletions,
  finishErasure,
  hasClaimable,
  isClaimable,
  mayBeClaimed,
} from './erase.ts'
export { erasePortions, type Pace } from './erase-portions.ts'
export { AccountError, type AccountErrorCode } from './errors.ts'
export {
  archiveMissing,
  archiveRemoved,
  archivesChecked,
  archivesToCheck,
  archivesToRemove,
  expireExports,
  findWantedExports,
  finishExports,
  giveUpExports,
  hasArchivesToRemove,
  hasExportsToExpire,
  type StoredExport,
} from './exports.ts'
export { type FoundFiles, recordFindings, retryErasure } from './file-findings.ts'
export { createHasher, type Hasher } from './hashing.ts'
export { adoptSecretKey, deriveKeys, fitsSecretKey, type Keys } from './keys.ts'
export { type MailFacts, readMails } from './mail-facts.ts'
export {
  type Archive,
  destroyExport,
  findArchive,
  findExportOwner,
  noteDownload,
  openExport,
  openVault,
} from './open-export.ts'
export { planErasure } from './plan-erasure.ts'
export { countHit, forgetOldHits, spendMailAllowance } from './rate-limits.ts'
export { foreignSecretKey, type Readiness, readiness } from './readiness.ts'
export { refresh } from './refresh.ts'
export { beginRelease, hasReleaseToFinish, type Release, releaseBatch } from './release-held.ts'
export { hasDueReminders, stageReminders } from './reminders.ts'
export { requestDeletion } from './request-deletion.ts'
export { listExports, type OwnExport, requestExport } from './request-export.ts'
export {
  listSavedPasswords,
  removeSavedPassword,
  type SavedPassword,
  savePassword,
} from './saved-passwords.ts'
export { type Deletion, scheduleDeletion } from './schedule-deletion.ts'
export type { Session } from './session.ts'
export {
  endSession,
  findSession,
  findSessionByToken,
  findSessionOfAccessToken,
  forgetExpiredSessions,
  listSessions,
  logIn,
} from './sessions.ts'
export { deletionToken, exportToken, tokenHash } from './tokens.ts'
export { addressOf, getUser, setRole, signUp, type User } from './users.ts'
