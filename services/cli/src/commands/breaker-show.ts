import { atOnce, describeTrip, readHeld } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

export const showBreaker: Command = async (_args, { db, print }) => {
  const stopped = await readHeld(db)
  const { now, count } = await readMoment(db)
  if (!stopped) {
    print(`The breaker is closed. Deletions that count at this moment: ${count}.`)
    return 0
  }
  const { trip, held, since } = stopped
  print(describeTrip(trip))
  print(`Held: ${held}. Come due since, and waiting too: ${since}. All of them can cancel.`)
  print(`The database's clock says ${now.toISOString().slice(0, 19)}Z.`)
  if (held + since > 0) print(`\n${table(await readWaiting(db))}`)
  print(`
Is the clock right, were they asked for, and is this the date they were promised? Then go on with:
  pnpm lethe breaker release ${held}
If not, put that right first, as docs/operations.md says: whoever is no longer due is no longer held.`)
  return 1
}

async function readMoment(db: Db): Promise<{ now: Date; count: number }> {
  const { rows } = await sql<{
    now: Date
    count: number
  }>`select now(), ${atOnce} as count`.execute(db)
  return rows[0] ?? { now: new Date(), count: 0 }
}

/** By who asked for them, as the audit events tell: they cannot be changed afterwards as the deletions can. */
async function readWaiting(db: Db): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<Record<string, unknown>>`
    select coalesce(e.details ->> 'by', 'nobody on record') as "asked by", count(*) as deletions,
      min(e.at) as "asked from", max(e.at) as "asked to", min(d.erase_after) as "due from", max(d.erase_after) as "due to"
    from public.deletions d left join public.audit_events e on e.deletion_id = d.id and e.event = 'deletion.requested'
    where d.status = 'pending' and d.released_at is null and d.erase_after <= now()
    group by 1 order by 2 desc`.execute(db)
  return rows
}
