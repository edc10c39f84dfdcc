import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { countedAtOnce, isHeld, type Trip } from './circuit-breaker.ts'

export interface CountedDeletions {
  /** The database's clock. */
  now: Date
  /** Deletions of established accounts that count towards the limits now. */
  established: number
  /** The same for accounts that were younger than a week when they asked. */
  fresh: number
}

/** What the breaker counts at this moment, for each kind of account. */
export async function readCountedDeletions(db: Db): Promise<CountedDeletions> {
  const { rows } = await sql<CountedDeletions>`
    select now(), ${countedAtOnce(false)} as established, ${countedAtOnce(true)} as fresh`.execute(
    db,
  )
  return rows[0] as CountedDeletions
}

export type HeldByActor = {
  'asked by': string
  deletions: number
  'asked from': Date | null
  'asked to': Date | null
  'due from': Date
  'due to': Date
}

/** The deletions that a trip holds, by the actor in the audit events: those are append-only, a deletion's row is not. */
export async function summarizeHeldDeletions(db: Db, trip: Trip): Promise<HeldByActor[]> {
  const { rows } = await sql<HeldByActor>`
    select coalesce(e.details ->> 'by', 'not on record') as "asked by", count(*) as deletions,
      min(e.at) as "asked from", max(e.at) as "asked to", min(d.erase_after) as "due from", max(d.erase_after) as "due to"
    from public.breaker_trips t, public.deletions d
    left join public.audit_events e on e.deletion_id = d.id and e.event = 'deletion.requested'
    where t.id = ${trip.id} and ${isHeld}
    group by 1 order by 2 desc`.execute(db)
  return rows
}
