import type { DeletionStatus } from '@lethe/db'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

const statuses: string[] = ['pending', 'cancelled', 'erasing', 'erased'] satisfies DeletionStatus[]

export const listDeletions: Command = async ([status], { db, print }) => {
  if (status !== undefined && !isStatus(status)) {
    print(`A status is one of ${statuses.join(', ')}.`)
    return 2
  }
  const rows = await db
    .selectFrom('deletions')
    .select(['id', 'user_id', 'status', 'requested_at', 'erase_after', 'erased_at', 'attempts'])
    .select('files_missing')
    .$if(status !== undefined, (query) => query.where('status', '=', status as DeletionStatus))
    .orderBy('requested_at', 'desc')
    .limit(100)
    .execute()
  print(rows.length === 0 ? 'No deletions.' : table(rows))
  return 0
}

function isStatus(text: string): text is DeletionStatus {
  return statuses.includes(text)
}
