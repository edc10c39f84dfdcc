import { showDeletion } from '@lethe/lifecycle'
import type { Command } from '../command.ts'
import { isUuid } from '../is-uuid.ts'
import { table } from '../table.ts'

export const printDeletion: Command = async ([id = ''], { db, print }) => {
  const details = isUuid(id) ? await showDeletion(db, id) : undefined
  if (!details) {
    print('There is no deletion with this id; `deletions list` shows the ids.')
    return 1
  }
  const { deletion, exports, mails, events } = details
  const { status, files_missing, files_found } = deletion
  print(table(Object.entries(deletion).map(([fact, value]) => ({ fact, value }))))
  if (status === 'erasing' && files_missing && !files_found)
    print(`
Its erasure waits because files that the database names are missing. Put them back into UPLOAD_DIR, or accept the loss:
  pnpm lethe deletions retry ${id} --accept-missing-files --reason "…"`)
  for (const [title, rows] of Object.entries({ Export: exports, Mails: mails, Events: events }))
    if (rows.length > 0) print(`\n${title}\n${table(rows)}`)
  return 0
}
