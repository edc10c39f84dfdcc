import type { Db } from '@lethe/db'
import {
  countedAtOnce,
  describeTrip,
  type HeldDeletions,
  isHeld,
  readHeldDeletions,
  type Trip,
} from '@lethe/lifecycle'
import { sql } from 'kysely'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

export const showBreaker: Command = async (_args, { db, print }) => {
  const stopped = await readHeldDeletions(db)
  const { now, established, fresh } = await readMoment(db)
  if (stopped.length === 0) {
    print(
      `The breaker is closed. Deletions that count at this moment: established accounts ${established}, new accounts ${fresh}.`,
    )
    return 0
  }
  for (const held of stopped) await printTrip(db, held, print)
  const several = stopped.length > 1
  print(`The database's clock says ${now.toISOString().slice(0, 19)}Z.

Is the clock right, were they asked for, and is this the date they were promised? Then go on with:
${stopped.map((held) => `  pnpm lethe breaker release ${number(held)}${several ? ` ${kindOf(held.trip)}` : ''}`).join('\n')}
If not, put that right first, as docs/operations.md says: whoever is no longer due is no longer held.`)
  return 1
}

async function printTrip(
  db: Db,
  { trip, held, since }: HeldDeletions,
  print: (line: string) => void,
) {
  print(describeTrip(trip))
  if (trip.released !== null) print(`A release of ${trip.released} is under way.`)
  print(
    `Held: ${held}. Come due since, and not held unless they are too many as well: ${since}. All of them can cancel.`,
  )
  if (held > 0) print(`\n${table(await readWaiting(db, trip))}\n`)
}

/** What `breaker release` takes: of a release that is under way, the number that it began with. */
function number({ trip, held }: HeldDeletions): number {
  return trip.released ?? held
}

function kindOf({ newAccounts }: Trip): string {
  return newAccounts ? 'new' : 'established'
}

interface Moment {
  now: Date
  established: number
  fresh: number
}

async function readMoment(db: Db): Promise<Moment> {
  const { rows } = await sql<Moment>`
    select now(), ${countedAtOnce(false)} as established, ${countedAtOnce(true)} as fresh`.execute(
    db,
  )
  return rows[0] as Moment
}

/** By who asked for them, as the audit events tell: they cannot be changed afterwards as the deletions can. */
async function readWaiting(db: Db, trip: Trip): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<Record<string, unknown>>`
    select coalesce(e.details ->> 'by', 'nobody on record') as "asked by", count(*) as deletions,
      min(e.at) as "asked from", max(e.at) as "asked to", min(d.erase_after) as "due from", max(d.erase_after) as "due to"
    from public.breaker_trips t, public.deletions d
    left join public.audit_events e on e.deletion_id = d.id and e.event = 'deletion.requested'
    where t.id = ${trip.id} and ${isHeld}
    group by 1 order by 2 desc`.execute(db)
  return rows
}
