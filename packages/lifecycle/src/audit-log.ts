import { createHash } from 'node:crypto'
import type { AuditEventName, Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

const VERIFIED_AT_ONCE = 1_000
const genesis = Buffer.alloc(32)

/** Records an event for each of these deletions, in the transaction that causes it. */
export async function recordAuditEvents(
  tx: Tx,
  deletionIds: string[],
  event: AuditEventName,
): Promise<void> {
  if (deletionIds.length === 0) return
  await tx
    .insertInto('audit_events')
    .values(deletionIds.map((deletion_id) => ({ deletion_id, event })))
    .execute()
}

export const hasUnsealedEvents: RawBuilder<boolean> = sql`
  exists (select from public.audit_events where position is null)`

/**
 * Appends up to `limit` unsealed events to the hash chain, oldest first, and returns how many. Concurrent
 * transactions would fork the chain, so one sealer at a time does this after they commit.
 */
export async function sealAuditEvents(db: Db, limit = 1_000): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ mine: boolean }>`
      select pg_try_advisory_xact_lock(hashtext('lethe audit chain')) as mine`.execute(tx)
    if (!rows[0]?.mine) return 0
    const last = await tx
      .selectFrom('audit_events')
      .select(['position', 'hash'])
      .where('position', 'is not', null)
      .orderBy('position', 'desc')
      .limit(1)
      .executeTakeFirst()
    const position = last?.position ?? 0
    const { rows: events } = await sql<{ id: number; text: string }>`
      with unsealed as (
        select id, row_number() over (order by id) + ${position}::bigint as position from public.audit_events
        where position is null order by id limit ${limit}
      )
      select e.id, public.audit_event_text(row(e.id, e.deletion_id, e.event, e.details, e.at, u.position, null)::public.audit_events) as text
      from unsealed u join public.audit_events e using (id) order by u.position`.execute(tx)
    if (events.length === 0) return 0
    let hash = last?.hash ?? genesis
    const hashes = events.map(({ text }) => {
      hash = link(hash, text)
      return hash
    })
    await sql`
      update public.audit_events e set position = ${position}::bigint + new.n, hash = new.hash
      from unnest(${events.map(({ id }) => id)}::bigint[], ${hashes}::bytea[]) with ordinality as new (id, hash, n)
      where e.id = new.id and e.position is null`.execute(tx)
    return events.length
  })
}

export interface ChainReport {
  /** The number of events in the chain; `unsealed` counts those that wait for the sealer. */
  sealed: number
  unsealed: number
  /**
   * The hash of the newest link, in hex. A copy kept elsewhere shows later whether the end of the chain was cut off.
   */
  head: string
  /** The first position at which the chain is broken. */
  brokenAt?: number
}

/** Verifies the whole chain in constant memory. */
export async function verifyAuditChain(db: Db): Promise<ChainReport> {
  let hash: Buffer = genesis
  let position = 0
  for (;;) {
    const { rows } = await sql<{ position: number; hash: Buffer; text: string }>`
      select position, hash, public.audit_event_text(e) as text from public.audit_events e
      where position > ${position} order by position limit ${VERIFIED_AT_ONCE}`.execute(db)
    for (const event of rows) {
      const expected = link(hash, event.text)
      if (event.position !== position + 1 || !expected.equals(event.hash))
        return { ...(await report(db, position, hash)), brokenAt: position + 1 }
      hash = expected
      position++
    }
    if (rows.length < VERIFIED_AT_ONCE) return report(db, position, hash)
  }
}

async function report(db: Db, sealed: number, head: Buffer): Promise<ChainReport> {
  const { unsealed } = await db
    .selectFrom('audit_events')
    .select((from) => from.fn.countAll<number>().as('unsealed'))
    .where('position', 'is', null)
    .executeTakeFirstOrThrow()
  return { sealed, unsealed, head: head.toString('hex') }
}

function link(previous: Buffer, text: string): Buffer {
  return createHash('sha256').update(previous).update(text).digest()
}
