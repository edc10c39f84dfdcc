import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { type BreakerLimits, claimableIds, isDue, isErasureBlocked } from '../circuit-breaker.ts'
import { leaseEnd } from '../lease.ts'

export interface ClaimedDeletion {
  id: string
  userId: number
  /** An earlier attempt committed which files it found, so a file that is missing now was removed since. */
  filesFound: boolean
}

export interface Claim {
  /** The lease that only this worker holds. */
  lease: string
  deletions: ClaimedDeletion[]
}

/**
 * When a deletion (`d`) may be claimed: its date has passed on the database's clock; its promised export is ready, or
 * an hour overdue; and it is within the limits of the breaker, or has passed it, or an operator has released it. A
 * deletion that was claimed before may always be claimed, because it cannot be cancelled.
 */
export function mayBeClaimed(limits: BreakerLimits): RawBuilder<boolean> {
  return sql`(
    d.status = 'erasing'
    or d.status = 'pending' and ${isDue}
      and (d.erase_after <= now() - interval '1 hour'
           or not exists (select from public.exports e where e.deletion_id = d.id and e.status = 'pending'))
      and not ${isErasureBlocked(limits)}
  )`
}

/** The same condition for one of many deletions, found by indexes, in batches of `limit` at most. */
export function isClaimable(limits: BreakerLimits, limit: number): RawBuilder<boolean> {
  return sql`d.id in ${claimableIds(limits, mayBeClaimed(limits), limit)}`
}

export function hasClaimable(limits: BreakerLimits): RawBuilder<boolean> {
  return sql`exists ${claimableIds(limits, mayBeClaimed(limits), 1)}`
}

/**
 * The point of no return, committed before anything is erased: pending → erasing. The worker replaces the job's lease
 * with its own, so a duplicate of the job finds nothing. It requires `pending` on the same row as a cancel.
 * `before_a_trip` is never read: PostgreSQL locks a table named in `for key share` before it takes the snapshot, so a
 * claim either ends before the breaker trips or sees the trip.
 */
export async function claimDeletions(
  db: Db,
  jobLease: string,
  limits: BreakerLimits,
): Promise<Claim> {
  const lease = crypto.randomUUID()
  const { rows } = await sql<ClaimedDeletion>`
    with before_a_trip as (
      select from public.breaker_trips for key share
    ), mine as (
      select d.id, d.status as was from public.deletions d
      where d.lease = ${jobLease} and ${mayBeClaimed(limits)} order by d.id for update
    ), claimed as (
      update public.deletions d
      set status = 'erasing', claimed_at = coalesce(d.claimed_at, now()), next_reminder_at = null,
        lease = ${lease}, next_attempt_at = ${leaseEnd}, attempts = d.attempts + 1
      from mine where d.id = mine.id
      returning d.id, d.user_id, d.files_found is not null as files_found, mine.was
    ), given_up as (
      update public.exports e set status = 'failed', token_nonce = null, lease = null
      from claimed where e.deletion_id = claimed.id and e.status = 'pending'
      returning e.deletion_id
    ), noted as (
      insert into public.audit_events (deletion_id, event)
      select id, 'deletion.claimed' from claimed where was = 'pending'
      union all select deletion_id, 'export.failed' from given_up
    )
    select id, user_id as "userId", files_found as "filesFound" from claimed`.execute(db)
  return { lease, deletions: rows }
}
