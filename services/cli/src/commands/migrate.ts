import { migrate } from '@lethe/db'
import type { Command } from '../command.ts'

export const applyMigrations: Command = async (args, { db, print }) => {
  if (args.some((argument) => argument !== '--without-users')) {
    print('Usage: pnpm lethe migrate [--without-users]')
    return 2
  }
  const applied = await migrate(db, { withoutUsers: args.length > 0, onWait: print })
  print(applied.length === 0 ? 'Nothing to migrate.' : `Applied ${applied.join(', ')}.`)
  return 0
}
