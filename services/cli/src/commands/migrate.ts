import { dataMap } from '@lethe/accounts'
import { explainFolderState, markFolder, openMarkedFolders } from '@lethe/archive'
import { optional } from '@lethe/config'
import { migrate } from '@lethe/db'
import { IncompleteDataMapError } from '@lethe/erasure'
import type { Command, Terminal } from '../command.ts'
import { readFolders } from '../read-folders.ts'

export const applyMigrations: Command = async (args, terminal) => {
  const { db, print } = terminal
  if (args.some((argument) => argument !== '--without-users')) {
    print('Usage: pnpm lethe migrate [--without-users]')
    return 2
  }
  const applied = await migrate(db, { withoutUsers: args.length > 0, onWait: print })
  print(applied.length === 0 ? 'Nothing to migrate.' : `Applied ${applied.join(', ')}.`)
  return markFolders(terminal)
}

/** Marks only folders that the environment names: a command run on another machine must not create any. */
async function markFolders({ db, env, print }: Terminal): Promise<number> {
  const folders = openMarkedFolders(readFolders(env)).filter(({ variable }) =>
    optional(env, variable),
  )
  let code = 0
  for (const folder of folders) {
    const state = await markFolder(db, folder, dataMap).catch(ignoreIncompleteMap)
    const line = state && explainFolderState(folder, state)
    if (!line) continue
    print(line)
    // The services may reach a folder that this machine cannot.
    if (state.is !== 'unreachable') code = 1
  }
  return code
}

/** With people in another schema, only the service knows the data map: it marks the folder at its first start. */
function ignoreIncompleteMap(error: unknown): undefined {
  if (!(error instanceof IncompleteDataMapError)) throw error
}
