import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { isErasureStopped } from './circuit-breaker.ts'

export interface Alarms {
  stopped: boolean
  /** Seconds since the oldest due date whose erasure has not happened. */
  oldestOverdue: number
  /** Seconds since the oldest unsent mail was staged. */
  oldestMail: number
}

const TIMEOUT_MS = 2_000

/**
 * Reads the values that alert an operator. Each is the first entry of an index, so the cost does not grow with the
 * backlog.
 */
export async function readAlarms(db: Db): Promise<Alarms> {
  return db
    .transaction()
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql`set local statement_timeout = ${sql.lit(TIMEOUT_MS)}`.execute(tx)
      const { rows } = await sql<Alarms>`
        select
          ${isErasureStopped} as stopped,
          (select coalesce(greatest(extract(epoch from now() - min(erase_after)), 0), 0)::float8
            from public.deletions where status in ('pending', 'erasing')) as "oldestOverdue",
          (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
            from public.outbox where status = 'pending') as "oldestMail"`.execute(tx)
      return rows[0] as Alarms
    })
}
