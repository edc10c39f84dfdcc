import type { Counts, Db, FilesByTable, Tx } from '@lethe/db'
import { eraseRows, type Plan, RowsKeptError } from '@lethe/erasure'
import { type RawBuilder, sql } from 'kysely'
import { noteEvents } from './audit.ts'
import { type BlastRadius, claimableIds, holdsBack, isDue } from './blast-radius.ts'

export interface ClaimedDeletion {
  id: string
  userId: number
  /** An earlier try has committed what it found of the files: one that is missing now was removed since. */
  filesFound: boolean
}

export interface Claim {
  /** The lease that only this worker holds. */
  lease: string
  deletions: ClaimedDeletion[]
}

/**
 * When a deletion (`d`) may be claimed: its date has passed on the database's clock, and the export that it promised is
 * made, or is an hour overdue; and no more are due within the hour than the limits allow, or the breaker has let it pass, or
 * the operator has released it.
 * Every deletion already claimed may be: there is no way back for it.
 */
export function mayBeClaimed(limits: BlastRadius): RawBuilder<boolean> {
  return sql`(
    d.status = 'erasing'
    or d.status = 'pending' and ${isDue}
      and (d.erase_after <= now() - interval '1 hour'
           or not exists (select from public.exports e where e.deletion_id = d.id and e.status = 'pending'))
      and not ${holdsBack(limits)}
  )`
}

/** The same of a deletion among many: found by indexes, in batches of `limit` at most. */
export function isClaimable(limits: BlastRadius, limit: number): RawBuilder<boolean> {
  return sql`d.id in ${claimableIds(limits, mayBeClaimed(limits), limit)}`
}

export function hasClaimable(limits: BlastRadius): RawBuilder<boolean> {
  return sql`exists ${claimableIds(limits, mayBeClaimed(limits), 1)}`
}

/**
 * The point of no return, committed before anything is erased: pending → erasing. It takes over the job's lease under
 * a new name, so a second copy of the job finds nothing; and it asks for `pending` on the row that a cancel asks too.
 * `before_a_trip` is never read: a table that is named `for key share` is locked before the snapshot is taken, so a claim
 * either ends before the breaker trips or sees that it has.
 */
export async function claimDeletions(
  db: Db,
  jobLease: string,
  limits: BlastRadius,
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
        lease = ${lease}, next_attempt_at = now() + interval '10 seconds', attempts = d.attempts + 1
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

/** We hold locks while we wait for others: for no longer than this, else whoever waits for ours waits for theirs too. */
const WAITS = '1s'

/**
 * Erases the rows of these claimed people, completes their tombstones and stages the last mail: one transaction for all.
 * Files must be gone before. Returns the deletions that are now erased: those whose lease was lost meanwhile are left
 * to whoever holds it. Throws `TooManyRows`, with nothing done, where they have more than `atMost` in one table.
 */
export async function finishErasure(
  db: Db,
  plan: Plan,
  { lease, deletions }: Claim,
  atMost?: number,
): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    await sql`set local lock_timeout = ${sql.lit(WAITS)}`.execute(tx)
    const held = await lockHeld(tx, lease, deletions)
    const userIds = held.map(({ userId }) => userId)
    if (held.length === 0) return []
    await keepAddressesForPendingMails(tx, userIds, held)
    const erased = await eraseRows(tx, plan, userIds, atMost)
    await forgetUserIds(tx, userIds, held)
    await completeTombstones(
      tx,
      held.map(({ id, userId, counts, missing }) => ({
        id,
        counts: withoutMissing(sumOf(counts, erased.get(userId) ?? nothing), missing),
      })),
    )
    const ids = held.map(({ id }) => id)
    await noteEvents(tx, ids, 'deletion.erased')
    return ids
  })
}

const nothing: Counts = { tables: {}, files: 0, bytes: 0 }

interface HeldDeletion extends Omit<ClaimedDeletion, 'filesFound'> {
  /** What has gone already. */
  counts: Counts | null
  /** Of the files that rows name, those that were missing before any was removed. */
  missing: FilesByTable | null
}

/** Nobody's rows are erased but those of a deletion that is `erasing` and whose lease is ours, under its lock. */
export async function lockHeld(
  tx: Tx,
  lease: string,
  deletions: ClaimedDeletion[],
): Promise<HeldDeletion[]> {
  const { rows } = await sql<HeldDeletion>`
    select id, user_id as "userId", erased_counts as counts, files_missing as missing from public.deletions
    where id = any(${deletions.map(({ id }) => id)}::uuid[]) and status = 'erasing' and lease = ${lease}
    order by id for update`.execute(tx)
  return rows
}

/** A file that an operator gave up for lost was not erased. Its bytes are not known apart, and stay. */
function withoutMissing(counts: Counts, missing: FilesByTable | null): Counts {
  const lost = Object.values(missing ?? {}).reduce((sum, files) => sum + files, 0)
  return { ...counts, files: Math.max(0, counts.files - lost) }
}

export function sumOf(counts: Counts | null, more: Counts): Counts {
  if (!counts) return more
  const tables = { ...counts.tables }
  for (const [name, rows] of Object.entries(more.tables)) tables[name] = (tables[name] ?? 0) + rows
  return { tables, files: counts.files + more.files, bytes: counts.bytes + more.bytes }
}

/** The last mail, and any that has not left yet, carries its address from here on; it is forgotten when the mail has left. */
async function keepAddressesForPendingMails(
  tx: Tx,
  userIds: number[],
  held: HeldDeletion[],
): Promise<void> {
  await sql`
    update public.outbox set address = people.address from public.deletions join lethe.people on people.id = deletions.user_id
    where deletions.user_id = any(${userIds}) and outbox.deletion_id = deletions.id
      and outbox.status = 'pending'`.execute(tx)
  await sql`
    insert into public.outbox (mail, deletion_id, address)
    select 'account-erased', deletions.id, people.address
    from public.deletions join lethe.people on people.id = deletions.user_id
    where deletions.id = any(${held.map(({ id }) => id)}::uuid[])`.execute(tx)
}

/**
 * Earlier deletions that were cancelled, and all exports, stand without a name from here on; archives that were asked for on
 * their own end with the account.
 */
async function forgetUserIds(tx: Tx, userIds: number[], held: HeldDeletion[]): Promise<void> {
  await sql`
    update public.exports set user_id = null, status = 'withdrawn', token_nonce = null, lease = null, next_attempt_at = now()
    where user_id = any(${userIds}) and deletion_id is null and status in ('pending', 'ready')`.execute(
    tx,
  )
  await sql`update public.exports set user_id = null where user_id = any(${userIds})`.execute(tx)
  await sql`
    update public.deletions set user_id = null
    where user_id = any(${userIds}) and id <> all(${held.map(({ id }) => id)}::uuid[])`.execute(tx)
}

/** The counts come as one object by the deletions' ids: a join with a list is planned for a few rows, and is slow for many. */
async function completeTombstones(tx: Tx, erased: { id: string; counts: Counts }[]): Promise<void> {
  const counts = Object.fromEntries(erased.map(({ id, counts }) => [id, counts]))
  const { numAffectedRows } = await sql`
    update public.deletions set status = 'erased', erased_at = now(), user_id = null, token_nonce = null,
      erased_counts = ${JSON.stringify(counts)}::jsonb -> id::text, lease = null
    where id = any(${erased.map(({ id }) => id)}::uuid[]) and status = 'erasing'`.execute(tx)
  // Each is locked by this transaction, so only a trigger or a rule can keep one as it was.
  const completed = Number(numAffectedRows)
  if (completed !== erased.length) throw new RowsKeptError('deletions', erased.length, completed)
}
