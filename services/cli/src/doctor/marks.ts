import { dataMap } from '@lethe/accounts'
import { checkFolderMark, folderLine, openMarkedFolders } from '@lethe/archive'
import { type Db, pendingMigrations } from '@lethe/db'
import { IncompleteDataMapError } from '@lethe/erasure'
import { type Finding, ok, wrong } from './finding.ts'

/** Whether the folders are those of this database: a process that finds another mark does not start. */
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
      const state = await checkFolderMark(db, folder, dataMap).catch(unlessPlanIsTold)
      if (state === undefined) return []
      if (state.is === 'unmarked' && state.missing === 0)
        return ok(`${folder.variable} has no mark yet; the first start makes it`)
      const line = folderLine(folder, state)
      if (line === undefined) return ok(`${folder.variable} belongs to this database`)
      // The check of the folder itself says why.
      if (state.is === 'unreachable') return ok(`${folder.variable} could not be looked into`)
      const at = line.indexOf(': ')
      return wrong(line.slice(0, at), line.slice(at + 2))
    }),
  )
  return findings.flat()
}

/** What the plan misses is a finding of its own. */
function unlessPlanIsTold(error: unknown): undefined {
  if (!(error instanceof IncompleteDataMapError)) throw error
}
