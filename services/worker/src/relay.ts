import type { Db } from '@lethe/db'
import { dispatchMails } from '@lethe/lifecycle'
import type { OpenQueue } from '@lethe/queue'

const RELAY_BATCH_SIZE = 100
/**
 * With this many waiting jobs nothing is dispatched: rows can wait, but leases expire. A job that does not start within ten
 * seconds is dispatched again, so a long queue in front of a slow mail server would consist mostly of stale jobs.
 */
const MAX_WAITING_JOBS = 200

/** Dispatches pending mails and queues a job for each. Returns true when there may be more. */
export async function relayMails(db: Db, queue: OpenQueue): Promise<boolean> {
  // Read the queue first: if it is unavailable, this throws before any mail is leased in vain.
  const { waiting } = await queue.counts('send-mail')
  if (waiting >= MAX_WAITING_JOBS) return false
  const leases = await dispatchMails(db, RELAY_BATCH_SIZE)
  await queue.publish('send-mail', leases)
  return leases.length === RELAY_BATCH_SIZE
}
