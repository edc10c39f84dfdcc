import type { Db } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import { type Identity, isSame, readIdentity } from './identity.ts'
import { createMark, type Mark, readMark } from './mark-file.ts'
import { type MarkPlace, openMarkPlace } from './mark-place.ts'
import { countMissingArchives, countMissingUploads } from './missing-files.ts'
import { UnreachableError } from './unreachable.ts'

export interface MarkedFolder {
  variable: 'EXPORT_DIR' | 'UPLOAD_DIR'
  /** A folder, or for archives the `s3:` URL of a bucket. */
  where: string
  place: MarkPlace
}

export function openMarkedFolders(dirs: { exportDir: string; uploadDir: string }): MarkedFolder[] {
  const folder = (variable: MarkedFolder['variable'], where: string): MarkedFolder => {
    return { variable, where, place: openMarkPlace(where) }
  }
  return [folder('EXPORT_DIR', dirs.exportDir), folder('UPLOAD_DIR', dirs.uploadDir)]
}

/** Whose a folder is. `missing` counts the files that this database names and that are not in it. */
export type FolderState =
  | { is: 'ours'; isSystemKnown: boolean }
  | { is: 'foreign' }
  | { is: 'damaged' }
  | { is: 'unmarked'; missing: number }
  | { is: 'unreachable'; code: string }

/** Looks, and changes nothing. Throws where the database does not answer, or is not migrated. */
export async function checkFolderMark(
  db: Db,
  folder: MarkedFolder,
  map: DataMap,
): Promise<FolderState> {
  const identity = await readIdentity(db)
  return orUnreachable(async () => {
    const mark = await readMark(folder.place)
    if (mark !== 'none') return judge(identity, mark)
    return { is: 'unmarked', missing: await countMissing(db, folder, map) }
  })
}

/** The same, and marks a folder without a mark that lacks none of the files. */
export async function markFolder(db: Db, folder: MarkedFolder, map: DataMap): Promise<FolderState> {
  const state = await checkFolderMark(db, folder, map)
  if (state.is !== 'unmarked' || state.missing > 0) return state
  const identity = await readIdentity(db)
  return orUnreachable(async () => judge(identity, await createMark(folder.place, identity)))
}

/** The mark alone, without a look for files. */
export async function compareMark(db: Db, folder: MarkedFolder): Promise<FolderState['is']> {
  const identity = await readIdentity(db)
  const state = await orUnreachable(async () => {
    const mark = await readMark(folder.place)
    return mark === 'none' ? { is: 'unmarked', missing: 0 } : judge(identity, mark)
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

function judge(identity: Identity, mark: Mark): FolderState {
  // It was there a moment ago, or was to be made: somebody removes it at the same time.
  if (mark === 'none') return { is: 'unreachable', code: 'ENOENT' }
  if (mark === 'damaged') return { is: 'damaged' }
  if (!isSame(identity, mark)) return { is: 'foreign' }
  return { is: 'ours', isSystemKnown: identity.system !== null && mark.system !== null }
}

async function orUnreachable(look: () => Promise<FolderState>): Promise<FolderState> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { is: 'unreachable', code: error.code }
  }
}
