import { setTimeout } from 'node:timers/promises'
import type { MailStatus } from '@lethe/db'
import {
  consumeMailLimit,
  finishMail,
  type LeasedMail,
  LeaseLostError,
  type MailFacts,
  recordAuditEvents,
  release,
  withLease,
} from '@lethe/lifecycle'
import type { Payload } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { isRefusedForGood, isSenderRefused, mailErrorFacts } from '../mailer.ts'
import { retryDelays } from '../retry-delays.ts'
import { writeMail } from '../write-mail.ts'

export async function sendMail(job: Payload<'send-mail'>, deps: HandlerDeps): Promise<void> {
  const { outbox } = deps
  const mail = await outbox.acquire(job.lease)
  if (!mail) return
  const facts = await outbox.read(mail.id)
  const log = deps.log.child({ outbox: mail.id, deletion: facts.deletionId, mail: facts.mail })
  let status: MailStatus
  try {
    status = await withLease(
      deps.db,
      'outbox',
      mail.lease,
      (signal) => deliver(mail, facts, deps, signal),
      deps.stop,
    )
  } catch (error) {
    return await handleFailedDelivery(error, mail, facts, { ...deps, log })
  }
  // From here on the mail is delivered, so an error must not be handled as a failed delivery.
  await retry(() => outbox.finish({ ...mail, status }))
  log.info(`mail.${status}`)
}

async function handleFailedDelivery(
  error: unknown,
  mail: LeasedMail,
  facts: MailFacts,
  deps: HandlerDeps,
): Promise<void> {
  if (error instanceof LeaseLostError) return
  const { db, log, stop } = deps
  const line = { ...mailErrorFacts(error), attempts: mail.attempts }
  if (stop.aborted) {
    await release(db, 'outbox', mail.lease, retryDelays.stopped)
  } else if (isRefusedForGood(error) || facts.triedEnough) {
    await giveUp(deps, mail, facts)
    log.warn(line, 'mail.undeliverable')
  } else {
    await release(db, 'outbox', mail.lease, retryDelays.mail)
    if (isSenderRefused(error)) log.error(line, 'mail.sender-refused')
    else log.warn(line, 'mail.postponed')
  }
}

/** Together well within a lease. */
const RETRY_DELAYS_MS = [200, 800, 2_000]

/** Throws the error of the last attempt. The lease then expires, and the mail is sent again. */
async function retry(run: () => Promise<unknown>): Promise<void> {
  for (const delay of RETRY_DELAYS_MS) {
    try {
      await run()
      return
    } catch {
      await setTimeout(delay)
    }
  }
  await run()
}

/** Sends the mail and returns its new status. Throws if it could not be delivered. */
async function deliver(
  { id, attempts }: LeasedMail,
  facts: MailFacts,
  { db, keys, mailer, publicUrl, rateLimits }: HandlerDeps,
  signal: AbortSignal,
): Promise<MailStatus> {
  const mail = writeMail(facts, { keys, publicUrl })
  if (!mail) return 'superseded'
  if (!facts.address) return 'superseded'
  // Only the first attempt counts against the limit: a retry is the same mail.
  const isCounted = rateLimits && attempts === 1
  if (isCounted && !(await consumeMailLimit(db, keys, facts.mail, facts.address)))
    return 'suppressed'
  await mailer.send({ ...mail, id, to: facts.address, date: facts.now }, signal)
  return 'sent'
}

async function giveUp(
  { db }: HandlerDeps,
  mail: LeasedMail,
  { deletionId }: MailFacts,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const finished = await finishMail(tx, { ...mail, status: 'undeliverable' })
    if (finished && deletionId) await recordAuditEvents(tx, [deletionId], 'mail.undeliverable')
  })
}
