import { retryErasure } from '@lethe/lifecycle'
import type { Command } from '../command.ts'
import { isUuid } from '../is-uuid.ts'
import { readReason } from '../read-reason.ts'

const ACCEPT = '--accept-missing-files'

/** Lets the worker retry a failed erasure at once and, with the option, without the files that are missing. */
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
      'No deletion with this id is being erased. `deletions list erasing` shows those that are.',
    )
    return 1
  }
  const accepted = Object.entries(retried.accepted ?? {}).map(
    ([table, files]) => `${table}: ${files}`,
  )
  print('The worker retries it now.')
  if (acceptMissing)
    print(
      accepted.length > 0
        ? `It continues without the missing files (${accepted.join(', ')}), and stops again if more are missing.`
        : 'None of its files is missing, so there was nothing to accept.',
    )
  return 0
}
