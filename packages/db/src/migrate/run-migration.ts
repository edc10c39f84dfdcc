import { sql } from 'kysely'
import type { Db, Tx } from '../client.ts'
import { isContended } from '../errors.ts'
import { describeBlockers, findBlockers, waitUntilEnded, watchBlockers } from './blockers.ts'
import type { Migration } from './files.ts'
import { recordMigration } from './history.ts'
import { asMigrationError, MigrationError } from './migration-error.ts'

export interface Waiting {
  onWait: (line: string) => void
  /** In the time of `performance.now()`; after it no migration is retried. */
  deadline: number
}

interface Run {
  db: Db
  /** The dedicated connection that runs the migration. */
  session: Db
  migration: Migration
  waiting: Waiting
}

const MIN_LOCK_TIMEOUT_MS = 100
const MAX_LOCK_TIMEOUT_MS = 2_000

/**
 * While a migration waits for a table lock, every request for that table queues behind it. So it gives up after a
 * tenth of a second, waits outside the queue until the blocking transactions have ended, and retries.
 */
export async function runMigration({ db, session, migration, waiting }: Run): Promise<void> {
  const { name } = migration
  const { onWait, deadline } = waiting
  const pid = await backendPid(session)
  // Opens the second connection now, because that takes longer than the first attempt waits.
  await findBlockers(db, pid)
  let lockTimeoutMs = MIN_LOCK_TIMEOUT_MS
  let announced = ''
  for (;;) {
    const attempt = applyOnce(session, migration, lockTimeoutMs)
    const { result, blockers } = await watchBlockers(db, pid, attempt)
    if (result.status === 'fulfilled') return
    if (!isContended(result.reason)) throw asMigrationError(name, result.reason)
    const inTheWay = describeBlockers(blockers)
    if (performance.now() > deadline)
      throw new MigrationError(
        `Gave up on migration ${name}, which waits for ${inTheWay}. End that and run migrate again; what was applied stays.`,
      )
    if (inTheWay !== announced) onWait(`Migration ${name} waits for ${inTheWay}`)
    announced = inTheWay
    await waitUntilEnded(db, blockers, deadline)
    lockTimeoutMs = Math.min(lockTimeoutMs * 2, MAX_LOCK_TIMEOUT_MS)
  }
}

/** The migrations name no schema for objects in `public`, so the search_path is set for this transaction only. */
function applyOnce(
  session: Db,
  { name, statements }: Migration,
  lockTimeoutMs: number,
): Promise<void> {
  return session
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      await applyTransactionSettings(tx, lockTimeoutMs)
      if (statements !== undefined) await sql.raw(statements).execute(tx)
      await recordMigration(tx, name)
    })
}

async function applyTransactionSettings(tx: Tx, lockTimeoutMs: number): Promise<void> {
  await sql`
    select set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), true),
      set_config('lock_timeout', ${String(lockTimeoutMs)}, true),
      set_config('statement_timeout', '0', true)`.execute(tx)
}

async function backendPid(session: Db): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(session)
  return rows[0]?.pid ?? 0
}
