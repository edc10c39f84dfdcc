import { type MailFacts, readMails } from '@lethe/accounts'
import { type Db, type MailStatus, type Tx, together } from '@lethe/db'
import { takeEach } from '@lethe/jobs'
import { sql } from 'kysely'

/** One mail, under the lease by which only its holder may finish it. */
export interface Held {
  id: string
  lease: string
  attempts: number
}

/** Mails that are sent at the same time share statements. */
export interface Outbox {
  /** Undefined where the job is stale, or a duplicate. */
  take(lease: string): Promise<Held | undefined>
  read(id: string): Promise<MailFacts>
  /** False where it was no longer ours to finish. */
  finish(ended: Ended): Promise<boolean>
}

interface Ended extends Held {
  status: MailStatus
}

export function openOutbox(db: Db): Outbox {
  return {
    take: together(async (leases) => {
      const taken = await takeEach(db, 'outbox', leases)
      return taken.map((one) => one?.rows[0] && { ...one.rows[0], lease: one.lease })
    }),
    read: together((ids) => readMails(db, ids)),
    finish: together((ended) => finishMails(db, ended)),
  }
}

/** Each address is forgotten with the same statement. */
export async function finishMails(db: Db | Tx, ended: Ended[]): Promise<boolean[]> {
  const { rows } = await sql<{ id: string }>`
    update "outbox" set status = ended.status, address = null, finished_at = now(), lease = null
    from unnest(${ended.map(({ id }) => id)}::uuid[], ${ended.map(({ lease }) => lease)}::uuid[],
      ${ended.map(({ status }) => status)}::text[]) as ended (id, lease, status)
    where outbox.id = ended.id and outbox.lease = ended.lease and outbox.status = 'pending'
    returning outbox.id`.execute(db)
  const finished = new Set(rows.map(({ id }) => id))
  return ended.map(({ id }) => finished.has(id))
}
