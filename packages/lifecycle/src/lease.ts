import { randomUUID } from 'node:crypto'
import type { Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

// A row is free once `next_attempt_at` has passed. Whoever leases it moves that time ahead and notes a lease of
// their own; only the holder of the noted lease may finish the row, and nobody has to clean up after the dead.

/** The tables whose rows are worked on under a lease. */
type LeasedTable = 'deletions' | 'exports' | 'outbox'
const rowsOf = (table: LeasedTable) => sql.table(`public.${table}`)

export interface AcquiredLease {
  lease: string
  rows: { id: string; attempts: number }[]
}

/**
 * Work has this long to show that it is alive, and a queued job to be begun. No longer: whoever lent a row may have died
 * before it was queued, and whoever had fetched its job before it was taken.
 */
const leaseEnd = sql`now() + interval '10 seconds'`
const LEASE_MS = 10_000
const RENEW_INTERVAL_MS = 3_000

/** Lends free rows that fit `where` (which calls the row `d`), each under a lease of its own; returns the leases. */
export async function dispatchEach(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
): Promise<string[]> {
  const rows = await dispatch(db, table, where, limit, sql`gen_random_uuid()`)
  return rows.map(({ lease }) => lease)
}

/** Lends up to `limit` free rows that fit `where` (as above) under one lease; undefined where there are none. */
export async function dispatchBatch(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
): Promise<string | undefined> {
  const rows = await dispatch(db, table, where, limit, sql`${randomUUID()}::uuid`)
  return rows[0]?.lease
}

/** Whether any row is free that fits `where` (as above). */
export function hasUnleased(table: LeasedTable, where: RawBuilder<boolean>): RawBuilder<boolean> {
  return sql`exists (select from ${unleasedRows(table, where)})`
}

function unleasedRows(table: LeasedTable, where: RawBuilder<boolean>) {
  return sql`${rowsOf(table)} as d where d.next_attempt_at <= now() and (${where})`
}

async function dispatch(
  db: Db,
  table: LeasedTable,
  where: RawBuilder<boolean>,
  limit: number,
  lease: RawBuilder<unknown>,
): Promise<{ lease: string }[]> {
  // Rows that another worker is lending at this moment are skipped, not waited for.
  // Materialized: inside a join the limited query could run more than once and lend more than the limit.
  const { rows } = await sql<{ lease: string }>`
    with free as materialized (
      select d.id from ${unleasedRows(table, where)}
      order by d.next_attempt_at limit ${limit} for update skip locked
    )
    update ${rowsOf(table)} as t set lease = ${lease}, next_attempt_at = ${leaseEnd}
    from free where t.id = free.id
    returning t.lease`.execute(db)
  return rows
}

/**
 * Exchanges the lease that a job carries for one of the caller's own. Waits for whoever has locked the rows.
 * Undefined: the rows are done, or lent or taken again since; the job is stale or a duplicate.
 */
export async function acquire(
  db: Db,
  table: LeasedTable,
  lease: string,
): Promise<AcquiredLease | undefined> {
  const [taken] = await acquireUnder(db, table, [lease])
  return taken
}

/**
 * The same for several jobs at once, each for itself; of two with one lease one takes it. Waits for nobody: undefined as well
 * where somebody has locked the rows.
 */
export function acquireEach(
  db: Db,
  table: LeasedTable,
  leases: string[],
): Promise<(AcquiredLease | undefined)[]> {
  return acquireUnder(db, table, leases, sql`skip locked`)
}

async function acquireUnder(
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
      join ${rowsOf(table)} t on t.lease = job.lease order by t.id for update of t ${locked}
    )
    update ${rowsOf(table)} t set lease = lent.mine, next_attempt_at = ${leaseEnd}, attempts = attempts + 1
    from lent where t.id = lent.id
    returning t.id, attempts, t.lease`.execute(db)
  return mine.map((lease) => {
    const taken = rows.filter((row) => row.lease === lease)
    return taken.length > 0 ? { lease, rows: taken } : undefined
  })
}

/** Prolongs a lease; returns how many rows are still under it. */
export async function renew(db: Db, table: LeasedTable, lease: string): Promise<number> {
  const { numAffectedRows } = await sql`
    update ${rowsOf(table)} set next_attempt_at = ${leaseEnd} where lease = ${lease}`.execute(db)
  return Number(numAffectedRows)
}

/**
 * Ends a lease without having done the work, on all of its rows or on these; they are free again after a while.
 * `delays` are the seconds after the first attempt, the second, and so on; the last one for all that follow.
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
    update ${rowsOf(table)}
    set lease = null, next_attempt_at = now() + make_interval(secs => ${seconds})
    where lease = ${lease} ${these}`.execute(db)
}

/**
 * Runs `work` while keeping its lease alive. Once the lease is lost, or `stop` fires, the signal that `work` was given
 * fires too and the promise is rejected with its reason, without waiting for work that does not listen:
 * what that work may still do is guarded by the lease in its own statements.
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
  const letGo = startRenewing(db, table, lease, () => lost.abort(new LeaseLostError()))
  try {
    signal.throwIfAborted()
    return await Promise.race([work(signal), aborted])
  } finally {
    letGo()
    signal.removeEventListener('abort', onAbort)
  }
}

/** Until it is let go of. */
function startRenewing(db: Db, table: LeasedTable, lease: string, onLost: () => void): () => void {
  let kept = performance.now()
  let done = false
  let timer = setTimeout(keepOn, RENEW_INTERVAL_MS)
  async function keepOn() {
    const began = performance.now()
    // A database that cannot be asked for a moment takes nothing away; for longer than the lease, it may.
    const rows = await renew(db, table, lease).catch(() => undefined)
    if (rows) kept = began
    else if (rows === 0 || began - kept >= LEASE_MS - RENEW_INTERVAL_MS) onLost()
    if (done) return
    // However long it took, the lease has run since it began.
    timer = setTimeout(keepOn, Math.max(0, RENEW_INTERVAL_MS - (performance.now() - began)))
  }
  return () => {
    done = true
    clearTimeout(timer)
  }
}

/** The rows belong to somebody else by now. */
export class LeaseLostError extends Error {
  override name = 'LeaseLostError'
}
