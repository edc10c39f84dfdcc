import type { Counts, Db, FilesByTable, Tx } from '@lethe/db'
import { eraseRows, type Plan, RowsKeptError } from '@lethe/erasure'
import { sql } from 'kysely'
import { recordAuditEvents } from '../audit-log.ts'
import type { Claim, ClaimedDeletion } from './claim.ts'

/** Lock timeout. This transaction waits while it holds locks, so a long wait would block everyone behind it. */
const LOCK_TIMEOUT = '1s'

/**
 * Erases the rows of these claimed people, completes their tombstones and stages the last mail, all in one
 * transaction. Their files must be removed before. Returns the deletions that are now erased; one whose lease was
 * lost is left to the worker that holds it. Throws `TooManyRowsError`, with nothing erased, if they have more than
 * `atMost` rows in one table.
 */
export async function finishErasure(
  db: Db,
  plan: Plan,
  { lease, deletions }: Claim,
  atMost?: number,
): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    await sql`set local lock_timeout = ${sql.lit(LOCK_TIMEOUT)}`.execute(tx)
    const held = await lockLeased(tx, lease, deletions)
    const userIds = held.map(({ userId }) => userId)
    if (held.length === 0) return []
    await keepAddressesForPendingMails(tx, userIds, held)
    const erased = await eraseRows(tx, plan, userIds, atMost)
    await removeUserIds(tx, userIds, held)
    await completeTombstones(
      tx,
      held.map(({ id, userId, counts, missing }) => ({
        id,
        counts: withoutMissing(sumOf(counts, erased.get(userId) ?? nothing), missing),
      })),
    )
    const ids = held.map(({ id }) => id)
    await recordAuditEvents(tx, ids, 'deletion.erased')
    return ids
  })
}

const nothing: Counts = { tables: {}, files: 0, bytes: 0 }

interface HeldDeletion extends Omit<ClaimedDeletion, 'filesFound'> {
  /** What earlier transactions have erased. */
  counts: Counts | null
  /** Files that rows name and that were missing before the first one was removed. */
  missing: FilesByTable | null
}

/** Locks and returns the deletions that are `erasing` under this lease: only their people may be erased. */
export async function lockLeased(
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

/**
 * Subtracts files that an operator accepted as lost, since they were not erased. Their bytes are unknown and stay in
 * the count.
 */
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

/** Copies the address into the last mail and into any unsent mail, which forgets it when it is sent. */
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
 * Removes the user id from earlier cancelled deletions and from all exports, and ends archives that the person
 * requested without a deletion.
 */
async function removeUserIds(tx: Tx, userIds: number[], held: HeldDeletion[]): Promise<void> {
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

/**
 * Passes the counts as one object keyed by deletion id: PostgreSQL plans a join with a list for a few rows, which is
 * slow for many.
 */
async function completeTombstones(tx: Tx, erased: { id: string; counts: Counts }[]): Promise<void> {
  const counts = Object.fromEntries(erased.map(({ id, counts }) => [id, counts]))
  const { numAffectedRows } = await sql`
    update public.deletions set status = 'erased', erased_at = now(), user_id = null, token_nonce = null,
      erased_counts = ${JSON.stringify(counts)}::jsonb -> id::text, lease = null
    where id = any(${erased.map(({ id }) => id)}::uuid[]) and status = 'erasing'`.execute(tx)
  // This transaction has locked each row, so only a trigger or a rule can prevent an update.
  const completed = Number(numAffectedRows)
  if (completed !== erased.length) throw new RowsKeptError('deletions', erased.length, completed)
}
