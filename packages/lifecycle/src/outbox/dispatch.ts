import type { Db } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { dispatchEach, hasUnleased } from '../lease.ts'

const isPending = sql<boolean>`d.status = 'pending'`

/** Whether a mail waits to be sent and no worker holds it. */
export const hasPendingMails: RawBuilder<boolean> = hasUnleased('outbox', isPending)

/** Dispatches up to `limit` pending mails and returns a lease for each. */
export async function dispatchMails(db: Db, limit: number): Promise<string[]> {
  return dispatchEach(db, 'outbox', isPending, limit)
}
