import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from '../client.ts'
import { type Blocker, describeBlockers } from './blockers.ts'
import { MigrationError } from './migration-error.ts'
import type { Waiting } from './run-migration.ts'

/** The lock of Kysely's migrator, which earlier versions of Lethe use: old and new migrations exclude each other. */
const LOCK = sql.lit(3853314791062309107n)
const POLL_INTERVAL_MS = 250

/**
 * Allows one `migrate` at a time, for as long as the connection of `session` lasts. It polls for the lock, because a
 * waiting request would hold a snapshot back, and with it every `create index concurrently`.
 */
export async function withMigrationLock<T>(
  session: Db,
  { onWait, deadline }: Waiting,
  work: () => Promise<T>,
): Promise<T> {
  let isAnnounced = false
  while (!(await tryLock(session))) {
    const holder = `another migrate: ${describeBlockers(await findHolders(session))}`
    if (performance.now() > deadline)
      throw new MigrationError(
        `Gave up waiting for ${holder}. Run migrate again once it has ended.`,
      )
    if (!isAnnounced) onWait(`Waiting for ${holder}`)
    isAnnounced = true
    await sleep(POLL_INTERVAL_MS)
  }
  try {
    return await work()
  } finally {
    // If this fails, the connection is lost and the server has released the lock.
    await sql`select pg_advisory_unlock(${LOCK})`.execute(session).catch(() => {})
  }
}

async function tryLock(session: Db): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_lock(${LOCK}) as locked`.execute(session)
  return rows[0]?.locked === true
}

async function findHolders(session: Db): Promise<Blocker[]> {
  const { rows } = await sql<Blocker>`
    select l.pid, l.virtualtransaction as transaction, a.usename as role,
      nullif(a.application_name, '') as application, a.state, a.xact_start as since
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select oid from pg_database where datname = current_database())
      and (l.classid::bigint << 32 | l.objid::bigint) = ${LOCK}`.execute(session)
  return rows
}
