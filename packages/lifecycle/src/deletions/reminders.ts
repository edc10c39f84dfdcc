import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

const due = sql`public.deletions d where d.status = 'pending' and d.next_reminder_at <= now()`

export const hasDueReminders: RawBuilder<boolean> = sql`exists (select from ${due})`

/**
 * Stages the reminders that are due: seven days before the erasure, then one day before. If the worker was down for
 * both, it sends one. Returns how many it staged, `limit` at most.
 */
export async function stageReminders(db: Db, limit = 1_000): Promise<number> {
  const { rows } = await sql`
    with due as (
      select d.id from ${due} order by d.next_reminder_at limit ${limit} for update skip locked
    ), reminded as (
      update public.deletions d
      set next_reminder_at = case when d.erase_after - interval '1 day' > now() then d.erase_after - interval '1 day' end
      from due where d.id = due.id
      returning d.id, d.erase_after
    ), mailed as (
      insert into public.outbox (mail, deletion_id)
      select 'deletion-reminder', id from reminded where erase_after > now()
    )
    select from reminded`.execute(db)
  return rows.length
}
