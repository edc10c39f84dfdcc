import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from '../client.ts'

/** A transaction that holds a lock which a migration needs. */
export interface Blocker {
  /** 0 for a prepared transaction, which belongs to no process. */
  pid: number
  /** Identifies the transaction while it is open. */
  transaction: string | null
  /** The following are null if our role may not see the sessions of other roles. */
  role: string | null
  application: string | null
  state: string | null
  since: Date | null
}

const WATCH_INTERVAL_MS = 25
const POLL_INTERVAL_MS = 250

/** Waits for `work`, which runs in the backend `pid`. Returns its result and the transactions that last blocked it. */
export async function watchBlockers<T>(
  db: Db,
  pid: number,
  work: Promise<T>,
): Promise<{ result: PromiseSettledResult<T>; blockers: Blocker[] }> {
  const settled = Promise.allSettled([work])
  let isOver = false
  void settled.then(() => {
    isOver = true
  })
  let blockers: Blocker[] = []
  while (!isOver) {
    await Promise.race([settled, sleep(WATCH_INTERVAL_MS)])
    // The blockers are only information for the operator: a failure to read them must not fail the migration.
    const seen = isOver ? [] : await findBlockers(db, pid).catch(() => [])
    if (seen.length > 0) blockers = seen
  }
  const [result] = await settled
  return { result, blockers }
}

export async function findBlockers(db: Db, pid: number): Promise<Blocker[]> {
  const { rows } = await sql<Blocker>`
    select distinct on (blocking.pid) blocking.pid, l.virtualtransaction as transaction,
      a.usename as role, nullif(a.application_name, '') as application, a.state, a.xact_start as since
    from pg_catalog.unnest(pg_catalog.pg_blocking_pids(${pid})) as blocking (pid)
    left join pg_catalog.pg_stat_activity a on a.pid = blocking.pid
    left join pg_catalog.pg_locks l on l.pid = blocking.pid and l.locktype = 'virtualxid' and l.granted
      and l.virtualxid = l.virtualtransaction
    order by blocking.pid`.execute(db)
  return rows
}

/** Polls instead of waiting for a lock, so that requests do not queue behind it. */
export async function waitUntilEnded(db: Db, blockers: Blocker[], deadline: number): Promise<void> {
  const transactions = blockers.flatMap(({ transaction }) => transaction ?? [])
  do await sleep(POLL_INTERVAL_MS)
  while (performance.now() < deadline && (await isAnyOpen(db, transactions)))
}

async function isAnyOpen(db: Db, transactions: string[]): Promise<boolean> {
  const { rows } = await sql`
    select from pg_catalog.pg_locks where virtualtransaction = any(${transactions}) limit 1`.execute(
    db,
  )
  return rows.length > 0
}

/** Names the process but never its query, which may contain personal data. */
export function describeBlockers(blockers: Blocker[]): string {
  if (blockers.length === 0) return 'another transaction'
  return blockers.map(describeBlocker).join('; ')
}

function describeBlocker({ pid, role, application, state, since }: Blocker): string {
  if (pid === 0) return 'a prepared transaction (see pg_prepared_xacts)'
  const facts = [
    application && `application ${JSON.stringify(application)}`,
    role && `role ${JSON.stringify(role)}`,
    state,
    since && `in a transaction since ${since.toISOString()}`,
  ].filter(Boolean)
  return facts.length > 0 ? `process ${pid} (${facts.join(', ')})` : `process ${pid}`
}
