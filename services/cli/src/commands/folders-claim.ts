import { dataMap } from '@lethe/accounts'
import { claimFolders, openMarkedFolders } from '@lethe/archive'
import { configOrExit } from '@lethe/config'
import type { Command } from '../command.ts'
import { readFolders } from '../read-folders.ts'
import { readReason } from '../read-reason.ts'

/** Binds EXPORT_DIR and UPLOAD_DIR to the database, after a restore or a move. */
export const claimTheFolders: Command = async (args, { db, env, print }) => {
  const { reason, rest } = readReason(args)
  if (!reason || rest.length > 0) {
    print(
      'Usage: pnpm lethe folders claim --reason "…", with EXPORT_DIR and UPLOAD_DIR as the services have them',
    )
    return 2
  }
  const folders = openMarkedFolders(configOrExit(() => readFolders(env)))
  const claimed = await claimFolders(db, folders, dataMap, reason)
  for (const { variable, was, missing } of claimed) {
    const lacks =
      missing === null
        ? 'its files were not counted, since the data map does not fit the database'
        : `${missing} of the files that the database names are missing`
    print(`${variable} belongs to this database now. It was ${words[was]}; ${lacks}.`)
  }
  print('Another database that used these folders has to be given folders of its own.')
  return 0
}

const words = {
  ours: 'its already',
  foreign: "another database's",
  damaged: 'marked by a file that cannot be read',
  unmarked: 'not marked',
  unreachable: 'not reachable',
}
