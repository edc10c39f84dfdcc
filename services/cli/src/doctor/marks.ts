import { dataMap } from '@lethe/accounts'
import { checkFolderMark, explainFolderState, openMarkedFolders } from '@lethe/archive'
import { type Db, pendingMigrations } from '@lethe/db'
import { IncompleteDataMapError } from '@lethe/erasure'
import { type Finding, ok, wrong } from './finding.ts'

/** Checks that the folders belong to this database: a process that finds another mark does not start. */
export async function checkMarks({
  db,
  exportDir,
  uploadDir,
}: {
  db: Db
  exportDir: string
  uploadDir: string
}): Promise<Finding[]> {
  if ((await pendingMigrations(db)).length > 0) return []
  const folders = openMarkedFolders({ exportDir, uploadDir })
  const findings = await Promise.all(
    folders.map(async (folder) => {
      const state = await checkFolderMark(db, folder, dataMap).catch(ignoreIncompleteMap)
      if (state === undefined) return []
      if (state.is === 'unmarked' && state.missing === 0)
        return ok(`${folder.variable} has no mark yet; the first start of a service writes it`)
      const line = explainFolderState(folder, state)
      if (line === undefined) return ok(`${folder.variable} belongs to this database`)
      // The check of the folder reports the reason.
      if (state.is === 'unreachable') return ok(`${folder.variable} could not be read`)
      const at = line.indexOf(': ')
      return wrong(line.slice(0, at), line.slice(at + 2))
    }),
  )
  return findings.flat()
}

/** The check of the plan reports an incomplete data map. */
function ignoreIncompleteMap(error: unknown): undefined {
  if (!(error instanceof IncompleteDataMapError)) throw error
}
