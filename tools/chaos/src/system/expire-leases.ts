import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Ends every lease and every retry gap now, so that all open work may start at once. */
export async function expireLeases(db: Db): Promise<void> {
  const open = sql`status in ('pending', 'erasing') and next_attempt_at > now()`
  await sql`update public.outbox set next_attempt_at = now() where ${open}`.execute(db)
  await sql`update public.exports set next_attempt_at = now() where ${open}`.execute(db)
  await sql`update public.deletions set next_attempt_at = greatest(now(), erase_after) where ${open}`.execute(
    db,
  )
}
