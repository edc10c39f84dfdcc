import { randomUUID } from 'node:crypto'
import type { Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

// A row is free once `next_attempt_at` has passed. A worker leases it by moving that time ahead and writing its
// lease. Only the holder of the written lease may finish the row, so a dead worker needs no cleanup.

/** The tables whose rows are leased. */
type LeasedTable = 'deletions' | 'exports' | 'outbox'
const tableName = (table: LeasedTable) => sql.table(`public.${table}`)

export interface AcquiredLease {
  lease: string
  rows: { id: string; attempts: number }[]
}

/**
 * A worker has this long to renew, and a queued job to begin. It is short, because a worker may die between
 * dispatching a row and queueing its job, or between fetching a job and acquiring its lease.
 */
const LEASE_MS = 10_000
/** When a lease that begins or is renewed now ends, on the database's clock. */
export const leaseEnd = sql<Date>`now() + ${sql.lit(`${LEASE_MS} milliseconds`)}::interval`
const RENEW_INTERVAL_MS = 3_000

/** Dispatches free rows that match `where` (which names the row `d`), each under its own lease; returns the leases. */
export async function dispatchEach(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
): Promise<string[]> {
  const rows = await dispatch(db, table, where, limit, sql`gen_random_uuid()`)
  return rows.map(({ lease }) => lease)
}

/** Dispatches up to `limit` free rows that match `where` (as above) under one lease; undefined if there are none. */
export async function dispatchBatch(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
): Promise<string | undefined> {
  const rows = await dispatch(db, table, where, limit, sql`${randomUUID()}::uuid`)
  return rows[0]?.lease
}

/** Whether any row that matches `where` (as above) is free. */
export function hasUnleased(table: LeasedTable, where: RawBuilder<boolean>): RawBuilder<boolean> {
  return sql`exists (select from ${unleasedRows(table, where)})`
}

function unleasedRows(table: LeasedTable, where: RawBuilder<boolean>) {
  return sql`${tableName(table)} as d where d.next_attempt_at <= now() and (${where})`
}

async function dispatch(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
  lease: RawBuilder<unknown>,
): Promise<{ lease: string }[]> {
  // Skips rows that another worker is dispatching now. Materialized: inside a join the limited query could run more
  // than once and lease more rows than the limit.
  const { rows } = await sql<{ lease: string }>`
    with free as materialized (
      select d.id from ${unleasedRows(table, where)}
      order by d.next_attempt_at limit ${limit} for update skip locked
    )
    update ${tableName(table)} as t set lease = ${lease}, next_attempt_at = ${leaseEnd}
    from free where t.id = free.id
    returning t.lease`.execute(db)
  return rows
}

/**
 * Replaces the lease of a job with a new lease of the caller. Waits for row locks. Returns undefined if the rows are
 * finished, or dispatched or acquired again since: the job is stale or a duplicate.
 */
export async function acquire(
  db: Db,
  table: LeasedTable,
  lease: string,
): Promise<AcquiredLease | undefined> {
  const [taken] = await acquireLeases(db, table, [lease])
  return taken
}

/**
 * Acquires the leases of several jobs, each on its own; of two jobs with the same lease, one gets it. Does not wait:
 * also returns undefined for rows that another transaction has locked.
 */
export function acquireEach(
  db: Db,
  table: LeasedTable,
  leases: string[],
): Promise<(AcquiredLease | undefined)[]> {
  return acquireLeases(db, table, leases, sql`skip locked`)
}

async function acquireLeases(
  db: Db,
  table: LeasedTable,
  leases: string[],
  locked = sql``,
): Promise<(AcquiredLease | undefined)[]> {
  const mine = leases.map(() => randomUUID())
  const { rows } = await sql<
    AcquiredLease['rows'][number] & { lease: string }
  >`/* take ${sql.raw(table)} */
    with lent as materialized (
      select t.id, job.mine from unnest(${leases}::uuid[], ${mine}::uuid[]) as job (lease, mine)
      join ${tableName(table)} t on t.lease = job.lease order by t.id for update of t ${locked}
    )
    update ${tableName(table)} t set lease = lent.mine, next_attempt_at = ${leaseEnd}, attempts = attempts + 1
    from lent where t.id = lent.id
    returning t.id, attempts, t.lease`.execute(db)
  return mine.map((lease) => {
    const taken = rows.filter((row) => row.lease === lease)
    return taken.length > 0 ? { lease, rows: taken } : undefined
  })
}

/** Renews a lease, and returns how many rows are still under it. */
export async function renew(db: Db, table: LeasedTable, lease: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update ${tableName(table)} set next_attempt_at = ${leaseEnd} where lease = ${lease}`.execute(db)
  return Number(numAffectedRows)
}

/**
 * Ends a lease of unfinished work, on all of its rows or only on these; they become free after a delay. `delays` are
 * the seconds after the first attempt, the second, and so on; the last one repeats.
 */
export async function release(
  db: Db | Tx,
  table: LeasedTable,
  lease: string,
  delays: readonly number[],
  ids?: string[],
): Promise<void> {
  const these = ids ? sql`and id = any(${ids}::uuid[])` : sql``
  const seconds = sql`(${delays}::float8[])[least(greatest(attempts, 1), ${delays.length}::integer)]`
  await sql`
    update ${tableName(table)}
    set lease = null, next_attempt_at = now() + make_interval(secs => ${seconds})
    where lease = ${lease} ${these}`.execute(db)
}

/**
 * Runs `work` while it renews the lease. If the lease is lost, or `stop` aborts, the signal given to `work` aborts
 * and the promise rejects with its reason, without waiting for work that ignores the signal. The lease guards the
 * statements of such work.
 */
export async function withLease<T>(
  db: Db,
  table: LeasedTable,
  lease: string,
  work: (signal: AbortSignal) => Promise<T>,
  stop?: AbortSignal,
): Promise<T> {
  const lost = new AbortController()
  const signal = stop ? AbortSignal.any([lost.signal, stop]) : lost.signal
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort)
  const stopRenewing = startRenewing(db, table, lease, () => lost.abort(new LeaseLostError()))
  try {
    signal.throwIfAborted()
    return await Promise.race([work(signal), aborted])
  } finally {
    stopRenewing()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Renews the lease until the returned function is called. */
function startRenewing(db: Db, table: LeasedTable, lease: string, onLost: () => void): () => void {
  let renewedAt = performance.now()
  let done = false
  let timer = setTimeout(renewOnce, RENEW_INTERVAL_MS)
  async function renewOnce() {
    const began = performance.now()
    // A database outage shorter than the lease changes nothing; a longer one may end the lease.
    const rows = await renew(db, table, lease).catch(() => undefined)
    if (rows) renewedAt = began
    else if (rows === 0 || began - renewedAt >= LEASE_MS - RENEW_INTERVAL_MS) onLost()
    if (done) return
    // The renewed lease runs from the start of the statement, so the time that it took is subtracted.
    timer = setTimeout(renewOnce, Math.max(0, RENEW_INTERVAL_MS - (performance.now() - began)))
  }
  return () => {
    done = true
    clearTimeout(timer)
  }
}

/** Another worker has leased the rows. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError'
}
