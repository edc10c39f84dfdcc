import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { isStopped } from './circuit-breaker.ts'

export interface Alarms {
  stopped: boolean
  /** Seconds since the oldest date that has passed without its erasure. */
  oldestOverdue: number
  /** Seconds since the oldest mail was staged that has not left. */
  oldestMail: number
}

const TIMEOUT_MS = 2_000

/** What an operator is woken up by. Each is the first entry of an index, so it costs the same however large the backlog is. */
export async function readAlarms(db: Db): Promise<Alarms> {
  return db
    .transaction()
    .setAccessMode('read only')
    .execute(async (tx) => {
      await sql`set local statement_timeout = ${sql.lit(TIMEOUT_MS)}`.execute(tx)
      const { rows } = await sql<Alarms>`
        select
          ${isStopped} as stopped,
          (select coalesce(greatest(extract(epoch from now() - min(erase_after)), 0), 0)::float8
            from public.deletions where status in ('pending', 'erasing')) as "oldestOverdue",
          (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8
            from public.outbox where status = 'pending') as "oldestMail"`.execute(tx)
      return rows[0] as Alarms
    })
}
