import { dispatchEach } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { sendMail as handle } from '../../../src/handlers/send-mail.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { setClock } from '../clock.ts'
import { type Deed, died, type Outcome } from '../command.ts'
import { DAY, SECOND } from '../durations.ts'
import { giveBackAfter, newLease, takeAs } from '../leases.ts'
import type { Real } from '../system-under-test.ts'
import { deletionOf, type Mail, note, personOf, type World } from '../world.ts'

const tryFor = 5 * DAY
const leastTries = 5

export function sendMail(lease: number, name: string): Deed {
  return {
    *course(world) {
      yield
      const mail = world.mails.find((row) => row.lease === lease && !row.forgotten)
      if (!mail) return {}
      const mine = newLease(world)
      takeAs(world, mail, mine)
      yield
      const address = addressee(world, mail)
      const wanted = address !== null && isNews(world, mail)
      const tried = mail.createdAt < world.now - tryFor && mail.attempts >= leastTries
      yield
      const verdict = wanted ? verdictOf(world) : 'superseded'
      if (verdict === 'sent') mail.left.push(address ?? '')
      yield
      if (mail.lease !== mine) return {}
      if (verdict === 'later' && !tried) giveBackAfter(world, mail, retryDelays.mail)
      else finish(world, mail, verdict === 'later' ? 'undeliverable' : verdict)
      return {}
    },
    perform: (real) => unlessCut(real, handle({ lease: name }, real.deps)),
  }
}

/**
 * The server is slow to take a mail, so that it is lent to a second worker; both hand it over, and the word of the second
 * one counts. Only where the server takes what it is given.
 */
export function sendOvertaken(world: World, number: number): Deed {
  const { id = '' } = world.mails[number] as Mail
  const later = world.now + 11 * SECOND
  return {
    *course(world, choose) {
      yield
      const mail = world.mails[number] as Mail
      takeAs(world, mail, newLease(world))
      world.now = later
      takeAs(world, mail, newLease(world))
      const to = addressee(world, mail) ?? ''
      // The first may notice in time that it has lost its lease.
      mail.left.push(...(choose(2) === 0 ? [to, to] : [to]))
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
        await until('the server holds it', () => gate.held() === handled.length)
      }
      gate.release()
      await Promise.all(handled)
      return { answer: {} }
    },
  }
}

/** Whether the server would take this mail from whoever began with it now. */
export function canBeOvertaken(world: World, mail: Mail): boolean {
  const free = mail.status === 'pending' && mail.nextAttemptAt <= world.now
  return free && world.smtp.code === 0 && addressee(world, mail) !== null && isNews(world, mail)
}

/** A handler that is cut off tries to note for seconds what has become of the mail; nobody waits for the dead. */
async function unlessCut({ cut }: Real, handled: Promise<void>): Promise<Outcome> {
  handled.catch(() => {})
  const dead = cut?.happened.then((): Outcome => ({ answer: died }))
  const done = handled.then((): Outcome => ({ answer: {} }))
  return Promise.race(dead ? [dead, done] : [done])
}

/** Nobody, once the person is erased and the address was not kept for this mail. */
function addressee(world: World, mail: Mail): string | null {
  const person = personOf(world, deletionOf(world, mail.deletion).person)
  return mail.address ?? (person.erased ? null : person.email)
}

/** Whether what the mail says is still so. */
function isNews(world: World, { mail, deletion: number }: Mail): boolean {
  const deletion = deletionOf(world, number)
  if (mail === 'deletion-scheduled' || mail === 'deletion-reminder')
    return deletion.status === 'pending'
  return mail !== 'export-ready' || deletion.export.status === 'ready'
}

function verdictOf({ smtp: { at, code } }: World): 'sent' | 'later' | 'undeliverable' {
  if (code === 0) return 'sent'
  // A sender refused is no fault of the mail's.
  return code >= 500 && at !== 'MAIL' ? 'undeliverable' : 'later'
}

function finish(world: World, mail: Mail, status: Mail['status']): void {
  Object.assign(mail, { status, address: null, finishedAt: world.now, lease: null })
  if (status === 'undeliverable') note(world, mail.deletion, 'mail.undeliverable')
}
