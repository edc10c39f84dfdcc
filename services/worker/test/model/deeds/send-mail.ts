import { sendMail as handle } from '../../../src/handlers/send-mail.ts'
import { retryDelays } from '../../../src/retry-delays.ts'
import { type Deed, died, type Outcome } from '../deed.ts'
import { giveBackAfter, newLease, takeAs } from '../leases.ts'
import type { Real } from '../real.ts'
import { DAY } from '../spans.ts'
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
