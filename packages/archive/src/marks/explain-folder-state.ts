import type { FolderState, MarkedFolder } from './folder-mark.ts'
import { MARK_NAME } from './mark-store.ts'

const claimCommand = '`pnpm lethe folders claim --reason "…"`'

/** Why a process must not use this folder: one line with the variable and the remedy. Undefined if it may. */
export function explainFolderState(
  { variable }: Pick<MarkedFolder, 'variable'>,
  state: FolderState,
): string | undefined {
  switch (state.is) {
    case 'ours':
      return undefined
    case 'foreign':
      return `${variable} belongs to another database, as its mark ${MARK_NAME} says: correct ${variable} or DATABASE_URL; after a restore or a move, bind it to this database with ${claimCommand}.`
    case 'damaged':
      return `${variable} has a mark ${MARK_NAME} that cannot be read: if the folder is the one of this database, bind it again with ${claimCommand}.`
    case 'unmarked':
      return state.missing === 0
        ? `${variable} has lost its mark ${MARK_NAME}: correct ${variable} or mount what was there; if this is the folder, start the service again.`
        : `${variable} has no mark ${MARK_NAME}, and ${state.missing} of the files that the database names are not in it: correct ${variable} or put the files back; to go on without them, bind it to this database with ${claimCommand}.`
    case 'unreachable':
      return `${variable} cannot be read or written (${state.code}): give it to the user of the API and the worker, or correct ${variable}.`
  }
}
