import { type Db, withTimeout } from '@lethe/db'
import type { DataMap } from '@lethe/erasure'
import { folderLine } from './folder-line.ts'
import { compareMark, type FolderState, type MarkedFolder, markFolder } from './folder-mark.ts'

export interface FolderGuard {
  /**
   * Marks the folders that have no mark yet. A line means that the process must not start: a folder is another database's, or
   * lacks files. A database, folder or bucket that does not answer is no such reason; `whyNot` tells of it.
   */
  start(): Promise<string | undefined>
  /** Why the folders cannot be worked with at the moment, in a line; nothing where they can. Within a second. */
  whyNot(): Promise<string | undefined>
}

interface GuardOptions {
  db: Db
  map: DataMap
  folders: MarkedFolder[]
  log: { warn(facts: object, text: string): void }
}

const WAIT_MS = 900
/** Each look at a bucket is a request that is paid for. */
const BUCKET_INTERVAL_MS = 10_000

export function guardFolders({ db, map, folders, log }: GuardOptions): FolderGuard {
  const guarded = folders.map((folder) => guardFolder({ db, map, folder, log }))
  return {
    async start() {
      const verdicts = await Promise.all(guarded.map(({ settle }) => settle()))
      return verdicts.find(({ line, isFinal }) => line && isFinal)?.line
    },
    async whyNot() {
      for (const { whyNot } of guarded) {
        const line = await whyNot()
        if (line) return line
      }
      return undefined
    },
  }
}

interface Verdict {
  line: string | undefined
  /** Waiting does not help. */
  isFinal: boolean
}

function guardFolder({
  db,
  map,
  folder,
  log,
}: Omit<GuardOptions, 'folders'> & { folder: MarkedFolder }) {
  let isSettled = false
  let settling: Promise<Verdict> | undefined
  let last: { at: number; line: string | undefined } | undefined

  const settleOnce = async (): Promise<Verdict> => {
    try {
      const state = await markFolder(db, folder, map)
      isSettled = state.is === 'ours'
      if (state.is === 'ours' && !state.isSystemKnown)
        log.warn({ folder: folder.variable }, 'folder.cluster-unknown')
      return { line: folderLine(folder, state), isFinal: state.is !== 'unreachable' }
    } catch {
      // The database does not answer, is not migrated or has tables that the map forgets: others tell of that.
      return { line: `${folder.variable} was not looked at yet.`, isFinal: false }
    }
  }
  const settle = () => {
    settling ??= settleOnce().finally(() => {
      settling = undefined
    })
    return settling
  }
  const look = async (): Promise<string | undefined> => {
    const is = await compareMark(db, folder).catch(() => undefined)
    // What cannot be reached for a moment was ours before, and whoever needs it fails by itself.
    if (is === undefined || is === 'unreachable') return undefined
    return folderLine(folder, { is, missing: 0, isSystemKnown: true } as FolderState)
  }
  return {
    settle,
    async whyNot(): Promise<string | undefined> {
      if (!isSettled) {
        const late = { line: `${folder.variable} is still being looked at.`, isFinal: false }
        return (await withTimeout(settle(), WAIT_MS, late)).line
      }
      const isBucket = folder.where.startsWith('s3:')
      if (isBucket && last && performance.now() - last.at < BUCKET_INTERVAL_MS) return last.line
      last = { at: performance.now(), line: await withTimeout(look(), WAIT_MS, last?.line) }
      return last.line
    },
  }
}
