import { type FSWatcher, watch } from 'node:fs'
import path from 'node:path'

/** An editor writes a file in several steps; they count as one save. */
const SETTLE_MS = 50

interface Saves {
  /** Resolves with the path of a file that was saved since the last call, relative to the root; undefined after `stop`. */
  next(): Promise<string | undefined>
  stop(): void
}

/** Watches these folders below `root`, each with all that is in it. */
export function watchSaves(root: string, folders: string[]): Saves {
  let saved: string | undefined
  let isStopped = false
  let wake = () => {}
  const onSave = (folder: string) => (_event: string, file: string | null) => {
    if (!file || /(^|\/)(node_modules|\.tap)(\/|$)|~$/.test(file)) return
    saved ??= path.join(folder, file)
    wake()
  }
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(path.join(root, folder), { recursive: true }, onSave(folder)),
  )
  return {
    async next() {
      while (!saved && !isStopped)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      await new Promise((resolve) => setTimeout(resolve, isStopped ? 0 : SETTLE_MS))
      const file = saved
      saved = undefined
      return isStopped ? undefined : file
    },
    stop() {
      isStopped = true
      for (const watcher of watchers) watcher.close()
      wake()
    },
  }
}
