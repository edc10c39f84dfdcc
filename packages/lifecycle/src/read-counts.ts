import { type Db, exceedsLimit } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { countedAtOnce } from './circuit-breaker.ts'

export interface BacklogCounts {
  pendingDeletions: number
  erasingDeletions: number
  pendingExports: number
  readyExports: number
  pendingMails: number
  overdue: number
  unsealed: number
  establishedAtOnce: number
  newAtOnce: number
}

/** A count of this value means that the real number may be higher. */
export const MAX_COUNT = 100_000
const TIMEOUT_MS = 100

/**
 * Counts the open work in the database. Returns undefined if that takes too long, so that no backlog delays the
 * alarms. Finished rows only grow in number and are not counted.
 */
export async function readCounts(db: Db): Promise<BacklogCounts | undefined> {
  try {
    return await db
      .transaction()
      .setAccessMode('read only')
      .execute(async (tx) => {
        await sql`set local statement_timeout = ${sql.lit(TIMEOUT_MS)}`.execute(tx)
        const { rows } = await sql<BacklogCounts>`
          select
            ${count(sql`public.deletions where status = 'pending'`)} as "pendingDeletions",
            ${count(sql`public.deletions where status = 'erasing'`)} as "erasingDeletions",
            ${count(sql`public.exports where status = 'pending'`)} as "pendingExports",
            ${count(sql`public.exports where status = 'ready'`)} as "readyExports",
            ${count(sql`public.outbox where status = 'pending'`)} as "pendingMails",
            ${count(sql`public.deletions where status in ('pending', 'erasing') and erase_after <= now()`)} as overdue,
            ${count(sql`public.audit_events where position is null`)} as unsealed,
            ${countedAtOnce(false)} as "establishedAtOnce",
            ${countedAtOnce(true)} as "newAtOnce"`.execute(tx)
        return rows[0]
      })
  } catch (error) {
    if (exceedsLimit(error)) return undefined
    throw error
  }
}

function count(rows: RawBuilder<unknown>) {
  return sql`(select count(*) from (select from ${rows} limit ${MAX_COUNT}) as counted)`
}
