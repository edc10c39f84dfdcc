import { type Db, pendingMigrations } from '@lethe/db'
import { ok, wrong } from './finding.ts'

export async function checkMigrations({ db }: { db: Db }) {
  const pending = await pendingMigrations(db)
  if (pending.length === 0) return [ok('none is pending')]
  return [wrong(`pending: ${pending.join(', ')}`, 'pnpm migrate')]
}
