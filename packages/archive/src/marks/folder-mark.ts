import type { Db } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import { type Identity, isSameIdentity, readIdentity } from './identity.ts'
import { createMark, type Mark, readMark } from './mark-file.ts'
import { type MarkStore, openMarkStore } from './mark-store.ts'
import { countMissingArchives, countMissingUploads } from './missing-files.ts'
import { UnreachableError } from './unreachable.ts'

export interface MarkedFolder {
  variable: 'EXPORT_DIR' | 'UPLOAD_DIR'
  /** The path of a folder, or, for archives, the `s3:` URL of a bucket. */
  where: string
  markStore: MarkStore
}

export function openMarkedFolders(dirs: { exportDir: string; uploadDir: string }): MarkedFolder[] {
  const folder = (variable: MarkedFolder['variable'], where: string): MarkedFolder => {
    return { variable, where, markStore: openMarkStore(where) }
  }
  return [folder('EXPORT_DIR', dirs.exportDir), folder('UPLOAD_DIR', dirs.uploadDir)]
}

/** Which database a folder belongs to. `missing` counts files that this database names and the folder lacks. */
export type FolderState =
  | { is: 'ours'; isSystemKnown: boolean }
  | { is: 'foreign' }
  | { is: 'damaged' }
  | { is: 'unmarked'; missing: number }
  | { is: 'unreachable'; code: string }

/** Checks the mark without changing anything. Throws if the database does not answer or is not migrated. */
export async function checkFolderMark(
  db: Db,
  folder: MarkedFolder,
  map: DataMap,
): Promise<FolderState> {
  const identity = await readIdentity(db)
  return catchUnreachable(async () => {
    const mark = await readMark(folder.markStore)
    if (mark !== 'none') return compareIdentity(identity, mark)
    return { is: 'unmarked', missing: await countMissing(db, folder, map) }
  })
}

/** Like `checkFolderMark`, and marks an unmarked folder if no file is missing. */
export async function markFolder(db: Db, folder: MarkedFolder, map: DataMap): Promise<FolderState> {
  const state = await checkFolderMark(db, folder, map)
  if (state.is !== 'unmarked' || state.missing > 0) return state
  const identity = await readIdentity(db)
  return catchUnreachable(async () =>
    compareIdentity(identity, await createMark(folder.markStore, identity)),
  )
}

/** Compares the mark only, without counting missing files. */
export async function compareMark(db: Db, folder: MarkedFolder): Promise<FolderState['is']> {
  const identity = await readIdentity(db)
  const state = await catchUnreachable(async () => {
    const mark = await readMark(folder.markStore)
    return mark === 'none' ? { is: 'unmarked', missing: 0 } : compareIdentity(identity, mark)
  })
  return state.is
}

export function countMissing(
  db: Db,
  { variable, where }: MarkedFolder,
  map: DataMap,
): Promise<number> {
  return variable === 'EXPORT_DIR'
    ? countMissingArchives(db, where)
    : countMissingUploads(db, where, map)
}

function compareIdentity(identity: Identity, mark: Mark): FolderState {
  // The mark was just read or created, so another process is removing it at the same time.
  if (mark === 'none') return { is: 'unreachable', code: 'ENOENT' }
  if (mark === 'damaged') return { is: 'damaged' }
  if (!isSameIdentity(identity, mark)) return { is: 'foreign' }
  return { is: 'ours', isSystemKnown: identity.system !== null && mark.system !== null }
}

async function catchUnreachable(look: () => Promise<FolderState>): Promise<FolderState> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { is: 'unreachable', code: error.code }
  }
}
