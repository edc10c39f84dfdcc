import { type Db, withTimeout } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import { explainFolderState } from './explain-folder-state.ts'
import { compareMark, type FolderState, type MarkedFolder, markFolder } from './folder-mark.ts'

export interface FolderGuard {
  /**
   * Marks the folders that have no mark yet. A returned line means that the process must not start: a folder belongs to
   * another database, or lacks files. A database, folder or bucket that does not answer is left to `findProblem`.
   */
  start(): Promise<string | undefined>
  /** Why the folders cannot be used now, in one line; undefined if they can. Answers within a second. */
  findProblem(): Promise<string | undefined>
}

interface GuardOptions {
  db: Db
  map: DataMap
  folders: MarkedFolder[]
  log: { warn(facts: object, text: string): void }
}

const CHECK_TIMEOUT_MS = 900
/** Each check of a bucket is a paid request. */
const BUCKET_INTERVAL_MS = 10_000

export function guardFolders({ db, map, folders, log }: GuardOptions): FolderGuard {
  const guarded = folders.map((folder) => guardFolder({ db, map, folder, log }))
  return {
    async start() {
      const results = await Promise.all(guarded.map(({ mark }) => mark()))
      return results.find(({ line, isFinal }) => line && isFinal)?.line
    },
    async findProblem() {
      for (const { findProblem } of guarded) {
        const line = await findProblem()
        if (line) return line
      }
      return undefined
    },
  }
}

interface MarkResult {
  line: string | undefined
  /** The state does not change by waiting. */
  isFinal: boolean
}

function guardFolder({
  db,
  map,
  folder,
  log,
}: Omit<GuardOptions, 'folders'> & { folder: MarkedFolder }) {
  let isMarked = false
  let marking: Promise<MarkResult> | undefined
  let last: { at: number; line: string | undefined } | undefined

  const tryToMark = async (): Promise<MarkResult> => {
    try {
      const state = await markFolder(db, folder, map)
      isMarked = state.is === 'ours'
      if (state.is === 'ours' && !state.isSystemKnown)
        log.warn({ folder: folder.variable }, 'folder.cluster-unknown')
      return { line: explainFolderState(folder, state), isFinal: state.is !== 'unreachable' }
    } catch {
      // The database does not answer, is not migrated, or has tables missing from the map. Other checks report that.
      return { line: `${folder.variable} has not been checked yet.`, isFinal: false }
    }
  }
  const mark = () => {
    marking ??= tryToMark().finally(() => {
      marking = undefined
    })
    return marking
  }
  const checkMark = async (): Promise<string | undefined> => {
    const is = await compareMark(db, folder).catch(() => undefined)
    // The folder was ours before, so a short outage is no reason to stop. Operations that need the folder fail by themselves.
    if (is === undefined || is === 'unreachable') return undefined
    return explainFolderState(folder, { is, missing: 0, isSystemKnown: true } as FolderState)
  }
  return {
    mark,
    async findProblem(): Promise<string | undefined> {
      if (!isMarked) {
        const late = { line: `${folder.variable} is still being checked.`, isFinal: false }
        return (await withTimeout(mark(), CHECK_TIMEOUT_MS, late)).line
      }
      const isBucket = folder.where.startsWith('s3:')
      if (isBucket && last && performance.now() - last.at < BUCKET_INTERVAL_MS) return last.line
      last = {
        at: performance.now(),
        line: await withTimeout(checkMark(), CHECK_TIMEOUT_MS, last?.line),
      }
      return last.line
    },
  }
}
