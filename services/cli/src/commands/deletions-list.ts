import type { DeletionStatus } from '@lethe/db'
import { listDeletions } from '@lethe/lifecycle'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

const statuses: DeletionStatus[] = ['pending', 'cancelled', 'erasing', 'erased']

export const printDeletions: Command = async ([status], { db, print }) => {
  const wanted = statuses.filter((known) => status === undefined || status === known)
  if (wanted.length === 0) {
    print(`A status is one of ${statuses.join(', ')}.`)
    return 2
  }
  const deletions = await listDeletions(db, wanted)
  print(deletions.length === 0 ? 'No deletions.' : table(deletions))
  return 0
}
