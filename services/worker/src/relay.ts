import type { Db } from '@lethe/db'
import { dispatchEach, hasUnleased } from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'
import { type RawBuilder, sql } from 'kysely'

const BATCH = 100
/**
 * Beyond it nothing is lent: rows wait better than jobs. Whatever is not begun within ten seconds is lent, and queued,
 * once more, so that a long queue in front of a slow mail server would be mostly of jobs that are stale.
 */
const WAITING_AT_MOST = 200

const unsent = sql<boolean>`d.status = 'pending'`

export const hasMailsToRelay: RawBuilder<boolean> = hasUnleased('outbox', unsent)

/** Lends mails that are to leave and queues a job for each. True when there may be more. */
export async function relayMails(db: Db, queue: OpenQueue): Promise<boolean> {
  // Asked first: while the queue is away this throws, and nothing is lent in vain.
  const { waiting } = await queue.counts('send-mail')
  if (waiting >= WAITING_AT_MOST) return false
  const leases = await dispatchEach(db, 'outbox', unsent, BATCH)
  await queue.publish('send-mail', leases)
  return leases.length === BATCH
}
