import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/**
 * Stages the reminders that are due: seven days before the erasure, then one day before.
 * A worker that was away for both sends one. Returns how many were staged.
 */
export async function stageReminders(db: Db): Promise<number> {
  const { rows } = await sql`
    with due as (
      select id from public.deletions where status = 'pending' and next_reminder_at <= now()
      order by next_reminder_at limit 500 for update skip locked
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
