import { verifyArchive } from '@lethe/archive'
import type { Command } from '../command.ts'

/** Checks a downloaded archive against its own manifest; needs no database and no network. */
export const verifyExport: Command = async ([file, ...more], { print }) => {
  if (!file || more.length > 0) {
    print('Usage: pnpm lethe export verify FILE')
    return 2
  }
  const verified = await verifyArchive(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EISDIR' || error.code === 'EACCES')
      return undefined
    throw error
  })
  if (!verified) {
    print('This file does not exist or cannot be read. Name the ZIP file that was downloaded.')
    return 2
  }
  const { faults, entries, madeAt } = verified
  if (faults.length === 0) {
    print(
      `The archive is unchanged since it was made at ${madeAt}: ${entries} files and their manifest.`,
    )
    return 0
  }
  for (const fault of faults) print(fault)
  return 1
}
