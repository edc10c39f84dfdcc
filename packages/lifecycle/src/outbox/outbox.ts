import { batchCalls, type Db, type MailStatus, type Tx } from '@lethe/db'
import { sql } from 'kysely'
import { acquire, acquireEach } from '../lease.ts'
import { type MailFacts, readMails } from './mail-facts.ts'

/** One mail, under the lease that its holder needs to finish it. */
export interface LeasedMail {
  id: string
  lease: string
  attempts: number
}

/** Mails that are sent at the same time share statements. */
export interface Outbox {
  /** Returns undefined if the job is stale or a duplicate. */
  acquire(lease: string): Promise<LeasedMail | undefined>
  read(id: string): Promise<MailFacts>
  /** Returns false if the lease was lost before. */
  finish(ended: Ended): Promise<boolean>
}

interface Ended extends LeasedMail {
  status: MailStatus
}

export function openOutbox(db: Db): Outbox {
  // An erasure may hold a row locked for as long as it runs. Only the call for that row waits for it.
  const acquireUnlocked = batchCalls((leases: string[]) => acquireEach(db, 'outbox', leases))
  const finishUnlocked = batchCalls((ended: Ended[]) => finishEach(db, ended, sql`skip locked`))
  return {
    async acquire(lease) {
      const taken = (await acquireUnlocked(lease)) ?? (await acquire(db, 'outbox', lease))
      const [row] = taken?.rows ?? []
      return taken && row && { ...row, lease: taken.lease }
    },
    read: batchCalls((ids) => readMails(db, ids)),
    finish: async (ended) => (await finishUnlocked(ended)) || finishMail(db, ended),
  }
}

/** Waits for row locks. */
export async function finishMail(db: Db | Tx, ended: Ended): Promise<boolean> {
  const [finished = false] = await finishEach(db, [ended])
  return finished
}

/** Finishes each mail once, under its lease; the same statement removes the address. */
async function finishEach(db: Db | Tx, ended: Ended[], locked = sql``): Promise<boolean[]> {
  const { rows } = await sql<{ lease: string }>`/* finish mails */
    with mine as materialized (
      select o.id, o.lease, ended.status
      from unnest(${ended.map(({ id }) => id)}::uuid[], ${ended.map(({ lease }) => lease)}::uuid[],
        ${ended.map(({ status }) => status)}::text[]) as ended (id, lease, status)
      join public.outbox o on o.id = ended.id
      where o.lease = ended.lease and o.status = 'pending' order by o.id for update of o ${locked}
    )
    update public.outbox o set status = mine.status, address = null, finished_at = now(), lease = null
    from mine where o.id = mine.id
    returning mine.lease`.execute(db)
  return ended.map(({ lease }) => rows.some((row) => row.lease === lease))
}
