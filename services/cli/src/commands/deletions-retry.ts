import { retryErasure } from '@lethe/lifecycle'
import type { Command } from '../command.ts'
import { isUuid } from '../is-uuid.ts'
import { readReason } from '../read-reason.ts'

const ACCEPT = '--accept-missing-files'

/** Has an erasure that failed tried again at once, and, where that is said, without the files that are lost. */
export const retryDeletion: Command = async (args, { db, print }) => {
  const { reason, rest } = readReason(args)
  const acceptMissing = rest.includes(ACCEPT)
  const [id = '', ...more] = rest.filter((argument) => argument !== ACCEPT)
  if (!reason || !isUuid(id) || more.length > 0) {
    print(`Usage: pnpm lethe deletions retry ID [${ACCEPT}] --reason "…"`)
    return 2
  }
  const retried = await retryErasure(db, id, { acceptMissing, reason })
  if (!retried) {
    print(
      'No deletion with this id is being erased; `deletions list erasing` shows those that are.',
    )
    return 1
  }
  const lost = Object.entries(retried.accepted ?? {}).map(([table, files]) => `${table}: ${files}`)
  print('The worker tries it again at once.')
  if (acceptMissing)
    print(
      lost.length > 0
        ? `It goes on without the files that are missing (${lost.join(', ')}), and stops again if more are.`
        : 'No file of it was found missing, so there is no loss to accept.',
    )
  return 0
}
