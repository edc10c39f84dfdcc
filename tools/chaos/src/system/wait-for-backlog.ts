import type { Db } from '@lethe/db'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'

/** Pending exports, dispatched or not: a dispatched one that is not begun in time becomes free again. */
const BEHIND_AT_MOST = 300

/** Waits until the backlog is small. The workers may be slow, but the backlog must keep shrinking. */
export async function waitForBacklog(db: Db): Promise<void> {
  const behind = async () => {
    const { rows } = await sql<{ open: number }>`
      select count(*) as open from public.exports where status = 'pending'`.execute(db)
    return rows[0]?.open ?? 0
  }
  for (let open = await behind(); open > BEHIND_AT_MOST; )
    open = await until('workers that come closer', async () => {
      const now = await behind()
      return now < open && Math.max(1, now)
    })
}
