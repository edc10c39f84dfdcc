import type { Db } from '@lethe/db'
import { lendEach, type OpenQueue } from '@lethe/jobs'
import { sql } from 'kysely'

const BATCH = 200
/** Beyond it nothing is lent: rows wait better than jobs, whose leases run out. */
const WAITING_AT_MOST = 1_000

const unsent = sql<boolean>`d.status = 'pending'`

/** Lends mails that are to leave and queues a job for each. True when there may be more. */
export async function relayMails(db: Db, queue: OpenQueue): Promise<boolean> {
  // Asked first: while the queue is away this throws, and nothing is lent in vain.
  const { waiting } = await queue.counts('send-mail')
  if (waiting >= WAITING_AT_MOST) return false
  const leases = await lendEach(db, 'outbox', unsent, BATCH)
  await queue.publish('send-mail', leases)
  return leases.length === BATCH
}
