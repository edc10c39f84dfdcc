import { migrate } from '@lethe/db'
import type { Command } from '../command.ts'

export const applyMigrations: Command = async (_args, { db, print }) => {
  const applied = await migrate(db)
  print(applied.length === 0 ? 'Nothing to migrate.' : `Applied ${applied.join(', ')}.`)
  return 0
}
