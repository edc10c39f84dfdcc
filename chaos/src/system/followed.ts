import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { until } from './until.ts'

/** Exports that could be made at once, and are not begun. */
const BEHIND_AT_MOST = 150
const CLOSER_WITHIN_SECONDS = 60

/** Waits until the workers follow, however slow the machine is: they must only come closer all the time. */
export async function followed(db: Db): Promise<void> {
  const behind = async () => {
    const { rows } = await sql<{ free: number }>`
      select count(*) as free from exports where status = 'pending' and next_attempt_at <= now()`.execute(
      db,
    )
    return rows[0]?.free ?? 0
  }
  for (let free = await behind(); free > BEHIND_AT_MOST; )
    free = await until(
      'workers that come closer',
      async () => {
        const now = await behind()
        return now < free && Math.max(1, now)
      },
      CLOSER_WITHIN_SECONDS,
    )
}
