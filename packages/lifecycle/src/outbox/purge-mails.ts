import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Deletes up to `limit` mails that were sent or given up more than thirty days ago, and returns how many. */
export async function purgeMails(db: Db, limit: number): Promise<number> {
  const { numAffectedRows } = await sql`
    with old as materialized (
      select id from public.outbox where finished_at < now() - interval '30 days'
      order by finished_at limit ${limit} for update skip locked
    )
    delete from public.outbox o using old where o.id = old.id`.execute(db)
  return Number(numAffectedRows)
}
