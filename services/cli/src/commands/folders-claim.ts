import { dataMap } from '@lethe/accounts'
import { claimFolders, openMarkedFolders } from '@lethe/archive'
import { configOrExit } from '@lethe/config'
import type { Command } from '../command.ts'
import { readFolders } from '../read-folders.ts'
import { readReason } from '../read-reason.ts'

/** Binds EXPORT_DIR and UPLOAD_DIR to the database after a restore or a move. */
export const claimMarkedFolders: Command = async (args, { db, env, print }) => {
  const { reason, rest } = readReason(args)
  if (!reason || rest.length > 0) {
    print(
      'Usage: pnpm lethe folders claim --reason "…", with the EXPORT_DIR and UPLOAD_DIR of the services',
    )
    return 2
  }
  const folders = openMarkedFolders(configOrExit(() => readFolders(env)))
  const claimed = await claimFolders(db, folders, dataMap, reason)
  for (const { variable, was, missing } of claimed) {
    const missingFiles =
      missing === null
        ? 'we did not count its files, because the data map does not fit the database'
        : `${missing} of the files that the database names are missing`
    print(
      `${variable} belongs to this database now. It was ${previousStates[was]}; ${missingFiles}.`,
    )
  }
  print('If another database used these folders, give it folders of its own.')
  return 0
}

const previousStates = {
  ours: 'bound to it before',
  foreign: 'bound to another database',
  damaged: 'marked by a file that cannot be read',
  unmarked: 'not marked',
  unreachable: 'not reachable',
}
