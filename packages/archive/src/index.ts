export { recordAttempts } from '@lethe/lifecycle'
export { type MadeArchive, makeArchive } from './make-archive.ts'
export { type ClaimedFolder, claimFolders } from './marks/claim-folders.ts'
export { explainFolderState } from './marks/explain-folder-state.ts'
export {
  checkFolderMark,
  type FolderState,
  type MarkedFolder,
  markFolder,
  openMarkedFolders,
} from './marks/folder-mark.ts'
export { type FolderGuard, guardFolders } from './marks/guard-folders.ts'
export { ArchiveDamagedError, openArchive } from './open-archive.ts'
export { type PreparedArchive, prepareArchives } from './prepare-archives.ts'
export { removeOrphanedArchives } from './remove-orphaned-archives.ts'
export { type Bucket, openBucket } from './storage/bucket.ts'
export { openStorage } from './storage/open-storage.ts'
export type { Storage } from './storage/storage.ts'
export { type VerificationResult, verifyArchive } from './verify-archive.ts'
