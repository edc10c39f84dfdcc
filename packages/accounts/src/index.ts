export { detectImageType, findAvatar, putAvatar, removeAvatar } from './avatars.ts'
export { cancelDeletionByPassword } from './cancel-deletion.ts'
export { changePassword } from './change-password.ts'
export { dataMap, lifecycleTables, picturesFolder } from './data-map.ts'
export { hasMailableDomain, hasMailableLocalPart, normalizeAddress } from './email-address.ts'
export { AccountError, type AccountErrorCode } from './errors.ts'
export { createHasher, type Hasher } from './hashing.ts'
export { findExportOwner, openVault } from './open-vault.ts'
export { planErasure } from './plan-erasure.ts'
export { previewDeletion } from './preview-deletion.ts'
export { refresh } from './refresh.ts'
export { requestDeletion } from './request-deletion.ts'
export { requestExport } from './request-export.ts'
export {
  listSavedPasswords,
  removeSavedPassword,
  type SavedPassword,
  savePassword,
} from './saved-passwords.ts'
export type { Session } from './session.ts'
export {
  endSession,
  findSession,
  findSessionByToken,
  findSessionOfAccessToken,
  listSessions,
  logIn,
  purgeExpiredSessions,
} from './sessions.ts'
export { getAddress, getUser, setRole, signUp, type User } from './users.ts'
