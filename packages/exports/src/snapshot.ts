import type { Db, Tx } from '@lethe/db'
import { type SelectQueryBuilder, sql } from 'kysely'

export interface Snapshot {
  tx: Tx
  /** When it was taken, by the database's clock. */
  takenAt: Date
}

const rowsAtATime = 500

/**
 * Reads everything as it stood at one moment, on a connection of its own. When `signal` aborts,
 * the statement under way is cancelled on the server, so that nobody waits for a long sort or a lock.
 */
export function inSnapshot<T>(
  db: Db,
  signal: AbortSignal,
  read: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      // The first statement takes the snapshot.
      const first = await sql<{ pid: number; takenAt: Date }>`
        select pg_backend_pid() as pid, now() as "takenAt"`.execute(tx)
      const [{ pid, takenAt }] = first.rows as [{ pid: number; takenAt: Date }]
      return await cancellable(db, pid, signal, () => read({ tx, takenAt }))
    })
}

/** The connection is not given back before a cancel has reached it: the next user's statement would be hit. */
async function cancellable<T>(db: Db, pid: number, signal: AbortSignal, work: () => Promise<T>) {
  let cancelling: Promise<unknown> | undefined
  const cancel = () => {
    // Where even this fails, the work still ends with the statement under way.
    cancelling = sql`select pg_cancel_backend(${pid})`.execute(db).catch(() => {})
  }
  signal.throwIfAborted()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await work()
  } finally {
    signal.removeEventListener('abort', cancel)
    await cancelling
  }
}

/**
 * The rows of a query, a few hundred in memory at a time. A cursor in SQL and not Kysely's `stream()`:
 * closing one of pg-cursor's waits for an answer that never comes when the connection was lost.
 */
export async function* streamRows<DB, TB extends keyof DB, Row>(
  tx: Tx,
  query: SelectQueryBuilder<DB, TB, Row>,
): AsyncGenerator<Row> {
  await sql`declare exported_rows no scroll cursor for ${query}`.execute(tx)
  for (;;) {
    const { rows } = await sql<Row>`fetch ${sql.lit(rowsAtATime)} from exported_rows`.execute(tx)
    if (rows.length === 0) break
    yield* rows
  }
  await sql`close exported_rows`.execute(tx)
}
