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
  const held = await outbox.take(job.lease)
  if (!held) return
  const facts = await outbox.read(held.id)
  const log = deps.log.child({ outbox: held.id, deletion: facts.deletionId, mail: facts.mail })
  let status: MailStatus
  try {
    status = await withLease(
      deps.db,
      'outbox',
      held.lease,
      (signal) => deliver(held, facts, deps, signal),
      deps.stop,
    )
  } catch (error) {
    return await notDelivered(error, held, facts, { ...deps, log })
  }
  // What fails from here on is not the delivery: the mail has left, and must not be counted as one that did not.
  await retry(() => outbox.finish({ ...held, status }))
  log.info(`mail.${status}`)
}

async function notDelivered(
  error: unknown,
  held: LeasedMail,
  facts: MailFacts,
  deps: HandlerDeps,
): Promise<void> {
  if (error instanceof LeaseLostError) return
  const { db, log, stop } = deps
  const line = { ...mailErrorFacts(error), attempts: held.attempts }
  if (stop.aborted) {
    await release(db, 'outbox', held.lease, retryDelays.stopped)
  } else if (isRefusedForGood(error) || facts.triedEnough) {
    await giveUp(deps, held, facts)
    log.warn(line, 'mail.undeliverable')
  } else {
    await release(db, 'outbox', held.lease, retryDelays.mail)
    if (isSenderRefused(error)) log.error(line, 'mail.sender-refused')
    else log.warn(line, 'mail.postponed')
  }
}

/** Milliseconds between tries, together well within a lease. */
const PAUSES_MS = [200, 800, 2_000]

/** Throws what the last try threw: the lease runs out then, and the mail is sent once more. */
async function retry(note: () => Promise<unknown>): Promise<void> {
  for (const pause of PAUSES_MS) {
    try {
      await note()
      return
    } catch {
      await setTimeout(pause)
    }
  }
  await note()
}

/** What has become of the mail; throws what keeps it from leaving. */
async function deliver(
  { id, attempts }: LeasedMail,
  facts: MailFacts,
  { db, keys, mailer, publicUrl, rateLimits }: HandlerDeps,
  signal: AbortSignal,
): Promise<MailStatus> {
  const mail = writeMail(facts, { keys, publicUrl })
  if (!mail) return 'superseded'
  if (!facts.address) return 'superseded'
  // Counted once: a second try is the same mail.
  const counted = rateLimits && attempts === 1
  if (counted && !(await consumeMailLimit(db, keys, facts.mail, facts.address))) return 'suppressed'
  await mailer.send({ ...mail, id, to: facts.address, date: facts.now }, signal)
  return 'sent'
}

async function giveUp(
  { db }: HandlerDeps,
  held: LeasedMail,
  { deletionId }: MailFacts,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const finished = await finishMail(tx, { ...held, status: 'undeliverable' })
    if (finished && deletionId) await recordAuditEvents(tx, [deletionId], 'mail.undeliverable')
  })
}
