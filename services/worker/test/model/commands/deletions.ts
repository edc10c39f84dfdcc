import { cancelDeletionByPassword, requestDeletion } from '@lethe/accounts'
import { type Cancelled, cancelDeletionByToken, deletionStatus } from '@lethe/lifecycle'
import { type Answer, atOnce, type Deed, inMilliseconds, refused } from '../command.ts'
import { DAY, reauthenticationWindow, type Span } from '../durations.ts'
import {
  type Deletion,
  deletionOf,
  holderOf,
  type LogIn,
  latestDeletion,
  note,
  personOf,
  stage,
  type World,
} from '../world.ts'
import { acceptedLogIn, findAccepted, type HeldLogIn } from './sessions.ts'

export interface Wish {
  /** Whose account; absent: a number that is nobody's. */
  person: number | undefined
  password: string | undefined
  eraseNow: boolean
  grace: Span
  /** The session was found before what came since, and only now is the request worked on. */
  underWay: boolean
}

export function request(world: World, index: number, logIn: HeldLogIn, wish: Wish): Deed {
  const { password, eraseNow, grace, underWay } = wish
  const userId = wish.person === undefined ? 999_999_999 : personOf(world, wish.person).id
  return {
    course: atOnce((world) => {
      if (!underWay && !acceptedLogIn(world, index)) return refused('unauthenticated')
      return whyNot(world, index, logIn, wish) ?? deactivate(world, index, wish)
    }),
    async perform(real) {
      const { db, keys, hasher } = real
      const session = underWay ? logIn.held.session : await findAccepted(real, logIn)
      const rules = {
        gracePeriod: grace.iso,
        reauthenticationWindow: reauthenticationWindow.iso,
      }
      const { id: _, ...facts } = await requestDeletion(
        ...[db, keys, hasher, session, { userId: userId ?? 0, password, eraseNow }, rules],
      )
      return { answer: inMilliseconds(facts) }
    },
  }
}

function whyNot(
  world: World,
  index: number,
  { held }: HeldLogIn,
  { person, password, eraseNow, underWay }: Wish,
): Answer | undefined {
  const session = world.sessions[index] as LogIn
  const who = personOf(world, session.person)
  const own = session.person === person
  // What it was at the log-in, where the session was found so long ago.
  const role = underWay ? held.session.role : who.role
  if (!own && role !== 'administrator') return refused('not-authorized')
  if (password === undefined && eraseNow) return refused('reauthentication-required')
  if (password !== undefined && !who.active) return refused('unauthenticated')
  if (password !== undefined && who.password !== password) return refused('wrong-password')
  if (!acceptedLogIn(world, index)) return refused('unauthenticated')
  if (!own && who.role !== 'administrator') return refused('not-authorized')
  if (person === undefined || personOf(world, person).erased) return refused('user-not-found')
  const fresh = session.authenticatedAt > world.now - reauthenticationWindow.ms
  if (password === undefined && !fresh) return refused('reauthentication-required')
  return undefined
}

function deactivate(world: World, index: number, { person = 0, eraseNow, grace }: Wish): Answer {
  const who = personOf(world, person)
  if (who.active) {
    who.active = false
    for (const session of world.sessions) if (session.person === person) session.over = true
    const by = world.sessions[index]?.person === person ? 'owner' : 'administrator'
    const number = world.deletions.push(newDeletion(world, person, by, eraseNow ? 0 : grace.ms)) - 1
    stage(world, number, 'deletion-scheduled')
    note(world, number, 'deletion.requested', by)
  }
  const { status, requestedAt, eraseAfter } = latestDeletion(world, person) as Deletion
  return { status, requestedAt, eraseAfter }
}

function newDeletion(world: World, person: number, by: Deletion['by'], graceMs: number): Deletion {
  const eraseAfter = world.now + graceMs
  const firstReminder = [7 * DAY, DAY].find((before) => graceMs > before)
  return {
    ...{ id: undefined, token: undefined, person, by, status: 'pending' },
    ...{ requestedAt: world.now, eraseAfter },
    nextReminderAt: firstReminder ? eraseAfter - firstReminder : null,
    ...{ cancelledAt: null, claimedAt: null, erasedAt: null, counts: null },
    ...{ lease: null, nextAttemptAt: eraseAfter, attempts: 0 },
    export: {
      ...{ token: undefined, status: 'pending', createdAt: null, expiresAt: null, archive: false },
      ...{ lease: null, nextAttemptAt: world.now, attempts: 0 },
    },
  }
}

const neverGivenOut = 'A'.repeat(43)

/** By the link of this deletion's mails; absent: by one that was never mailed. */
export function cancelByToken(world: World, number: number | undefined): Deed {
  const token = number === undefined ? neverGivenOut : (deletionOf(world, number).token ?? '')
  return {
    course: atOnce((world) =>
      number === undefined ? refused('deletion-not-found') : cancel(world, number),
    ),
    async perform({ db }) {
      return { answer: cancelled(await cancelDeletionByToken(db, token)) }
    },
  }
}

export function cancelByPassword(email: string, password: string): Deed {
  return {
    course: atOnce((world) => {
      const index = holderOf(world, email)
      if (index === undefined || personOf(world, index).password !== password)
        return refused('wrong-credentials')
      const number = world.deletions.findLastIndex(({ person }) => person === index)
      return number < 0
        ? refused('deletion-not-pending', { deletionStatus: 'none' })
        : cancel(world, number)
    }),
    async perform({ db, hasher }) {
      return { answer: cancelled(await cancelDeletionByPassword(db, hasher, { email, password })) }
    },
  }
}

function cancelled({ status, archive }: Cancelled): Answer {
  return { status, archive: archive !== null }
}

function cancel(world: World, number: number): Answer {
  const deletion = deletionOf(world, number)
  if (deletion.status !== 'pending')
    return refused('deletion-not-pending', { deletionStatus: deletion.status })
  const archive = deletion.export
  Object.assign(deletion, { status: 'cancelled', cancelledAt: world.now })
  Object.assign(deletion, { nextReminderAt: null, lease: null })
  personOf(world, deletion.person).active = true
  if (archive.status === 'pending' || archive.status === 'ready') archive.status = 'withdrawn'
  archive.lease = null
  stage(world, number, 'deletion-cancelled')
  note(world, number, 'deletion.cancelled')
  return { status: 'cancelled', archive: archive.archive }
}

/** What the page behind the link shows. */
export function report(world: World, number: number): Deed {
  const token = deletionOf(world, number).token ?? ''
  return {
    course: atOnce((world) => {
      const { status, requestedAt, eraseAfter, cancelledAt, erasedAt, ...more } = deletionOf(
        world,
        number,
      )
      const { status: exportStatus, expiresAt } = more.export
      const times = { requestedAt, eraseAfter, cancelledAt, erasedAt }
      return { status, ...times, exportStatus, exportExpiresAt: expiresAt }
    }),
    async perform({ db }) {
      const { id: _, export: archive, ...facts } = await deletionStatus(db, token)
      const { status: exportStatus, expiresAt: exportExpiresAt } = archive
      return { answer: inMilliseconds({ ...facts, exportStatus, exportExpiresAt }) }
    },
  }
}
