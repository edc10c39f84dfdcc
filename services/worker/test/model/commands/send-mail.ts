import { dispatchEach } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { sendMail as handle } from '../../../src/handlers/send-mail.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { setClock } from '../clock.ts'
import { type Command, crashed, type Outcome } from '../command.ts'
import { DAY, SECOND } from '../durations.ts'
import { acquireRow, createLease, releaseRow } from '../leases.ts'
import type { SystemUnderTest } from '../system-under-test.ts'
import { deletionOf, type Mail, personOf, recordEvent, type World } from '../world.ts'

const RETRY_PERIOD_MS = 5 * DAY
const MIN_ATTEMPTS = 5

export function sendMail(lease: number, name: string): Command {
  return {
    *modelSteps(world) {
      yield
      const mail = world.mails.find((row) => row.lease === lease && !row.purged)
      if (!mail) return {}
      const mine = createLease(world)
      acquireRow(world, mail, mine)
      yield
      const address = addressee(world, mail)
      const wanted = address !== null && isCurrent(world, mail)
      const tried = mail.createdAt < world.now - RETRY_PERIOD_MS && mail.attempts >= MIN_ATTEMPTS
      yield
      const result = wanted ? expectedResult(world) : 'superseded'
      if (result === 'sent') mail.sentTo.push(address ?? '')
      yield
      if (mail.lease !== mine) return {}
      if (result === 'later' && !tried) releaseRow(world, mail, retryDelays.mail)
      else finish(world, mail, result === 'later' ? 'undeliverable' : result)
      return {}
    },
    perform: (system) => raceWithCrash(system, handle({ lease: name }, system.deps)),
  }
}

/**
 * The server is slow, so the lease of the first worker expires and a second worker sends the mail too. Only the second
 * worker's result is recorded. Requires a server that accepts the mail.
 */
export function sendTwice(world: World, number: number): Command {
  const { id = '' } = world.mails[number] as Mail
  const later = world.now + 11 * SECOND
  return {
    *modelSteps(world, choose) {
      yield
      const mail = world.mails[number] as Mail
      acquireRow(world, mail, createLease(world))
      world.now = later
      acquireRow(world, mail, createLease(world))
      const to = addressee(world, mail) ?? ''
      // The first worker may notice in time that it has lost its lease.
      mail.sentTo.push(...(choose(2) === 0 ? [to, to] : [to]))
      finish(world, mail, 'sent')
      return {}
    },
    async perform({ db, deps, sink }) {
      const gate = sink.hold()
      const handled: Promise<void>[] = []
      for (const instant of [world.now, later]) {
        await setClock(db, instant)
        const [lease = ''] = await dispatchEach(db, 'outbox', sql<boolean>`d.id = ${id}`, 1)
        handled.push(handle({ lease }, deps))
        await until('the server holds the mail', () => gate.held() === handled.length)
      }
      gate.release()
      await Promise.all(handled)
      return { answer: {} }
    },
  }
}

/** Whether a worker that acquired this mail now would deliver it. */
export function canBeSentNow(world: World, mail: Mail): boolean {
  const free = mail.status === 'pending' && mail.nextAttemptAt <= world.now
  return free && world.smtp.code === 0 && addressee(world, mail) !== null && isCurrent(world, mail)
}

/** After a crash the handler would retry for seconds to record the result, so the test does not wait for it. */
async function raceWithCrash(
  { failingDb }: SystemUnderTest,
  handled: Promise<void>,
): Promise<Outcome> {
  handled.catch(() => {})
  const crash = failingDb?.failed.then((): Outcome => ({ answer: crashed }))
  const done = handled.then((): Outcome => ({ answer: {} }))
  return Promise.race(crash ? [crash, done] : [done])
}

/** Null once the account is erased, unless the mail has a copy of the address. */
function addressee(world: World, mail: Mail): string | null {
  const person = personOf(world, deletionOf(world, mail.deletion).person)
  return mail.address ?? (person.erased ? null : person.email)
}

/** Whether the news of the mail is still correct. */
function isCurrent(world: World, { mail, deletion: number }: Mail): boolean {
  const deletion = deletionOf(world, number)
  if (mail === 'deletion-scheduled' || mail === 'deletion-reminder')
    return deletion.status === 'pending'
  return mail !== 'export-ready' || deletion.export.status === 'ready'
}

function expectedResult({ smtp: { at, code } }: World): 'sent' | 'later' | 'undeliverable' {
  if (code === 0) return 'sent'
  // If the server refuses the sender, the mail itself is not at fault.
  return code >= 500 && at !== 'MAIL' ? 'undeliverable' : 'later'
}

function finish(world: World, mail: Mail, status: Mail['status']): void {
  Object.assign(mail, { status, address: null, finishedAt: world.now, lease: null })
  if (status === 'undeliverable') recordEvent(world, mail.deletion, 'mail.undeliverable')
}
