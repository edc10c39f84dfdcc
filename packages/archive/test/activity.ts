import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Whether a session of this database waits for a lock. */
export async function isWaitingForLock(db: Db): Promise<boolean> {
  return (await count(db, sql`wait_event_type = 'Lock'`)) > 0
}

/** Counts the open transactions of this database, without the caller's own. */
export function countOpenTransactions(db: Db): Promise<number> {
  return count(db, sql`xact_start is not null`)
}

async function count(db: Db, condition: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and ${condition}`.execute(db)
  return rows[0]?.n ?? 0
}
