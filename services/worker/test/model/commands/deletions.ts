import { cancelDeletionByPassword, requestDeletion } from '@lethe/accounts'
import { type Cancelled, cancelDeletionByToken, deletionStatus } from '@lethe/lifecycle'
import { type Answer, atomically, type Command, refusal, withTimesInMs } from '../command.ts'
import { DAY, type Duration, reauthenticationWindow } from '../durations.ts'
import {
  type Deletion,
  deletionOf,
  findAccount,
  latestDeletion,
  type ModelSession,
  personOf,
  recordEvent,
  stageMail,
  type World,
} from '../world.ts'
import { acceptedSession, findAcceptedSession, type HeldSession } from './sessions.ts'

export interface DeletionRequest {
  /** The account to delete; undefined stands for an id that does not exist. */
  person: number | undefined
  password: string | undefined
  eraseNow: boolean
  grace: Duration
  /** The session was read earlier, before other commands, and the request continues only now. */
  underWay: boolean
}

export function requestDeletionOf(
  world: World,
  index: number,
  heldSession: HeldSession,
  options: DeletionRequest,
): Command {
  const { password, eraseNow, grace, underWay } = options
  const userId = options.person === undefined ? 999_999_999 : personOf(world, options.person).id
  return {
    modelSteps: atomically((world) => {
      if (!underWay && !acceptedSession(world, index)) return refusal('unauthenticated')
      return findRefusal(world, index, heldSession, options) ?? deactivate(world, index, options)
    }),
    async perform(system) {
      const { db, keys, hasher } = system
      const session = underWay
        ? heldSession.held.session
        : await findAcceptedSession(system, heldSession)
      const rules = {
        gracePeriod: grace.iso,
        reauthenticationWindow: reauthenticationWindow.iso,
      }
      const { id: _, ...facts } = await requestDeletion(
        ...[db, keys, hasher, session, { userId: userId ?? 0, password, eraseNow }, rules],
      )
      return { answer: withTimesInMs(facts) }
    },
  }
}

function findRefusal(
  world: World,
  index: number,
  { held }: HeldSession,
  { person, password, eraseNow, underWay }: DeletionRequest,
): Answer | undefined {
  const session = world.sessions[index] as ModelSession
  const who = personOf(world, session.person)
  const own = session.person === person
  // A request that is under way still has the role of its log-in.
  const role = underWay ? held.session.role : who.role
  if (!own && role !== 'administrator') return refusal('not-authorized')
  if (password === undefined && eraseNow) return refusal('reauthentication-required')
  if (password !== undefined && !who.active) return refusal('unauthenticated')
  if (password !== undefined && who.password !== password) return refusal('wrong-password')
  if (!acceptedSession(world, index)) return refusal('unauthenticated')
  if (!own && who.role !== 'administrator') return refusal('not-authorized')
  if (person === undefined || personOf(world, person).erased) return refusal('user-not-found')
  const fresh = session.authenticatedAt > world.now - reauthenticationWindow.ms
  if (password === undefined && !fresh) return refusal('reauthentication-required')
  return undefined
}

function deactivate(
  world: World,
  index: number,
  { person = 0, eraseNow, grace }: DeletionRequest,
): Answer {
  const who = personOf(world, person)
  if (who.active) {
    who.active = false
    for (const session of world.sessions) if (session.person === person) session.ended = true
    const by = world.sessions[index]?.person === person ? 'owner' : 'administrator'
    const number = world.deletions.push(newDeletion(world, person, by, eraseNow ? 0 : grace.ms)) - 1
    stageMail(world, number, 'deletion-scheduled')
    recordEvent(world, number, 'deletion.requested', by)
  }
  const { status, requestedAt, eraseAfter } = latestDeletion(world, person) as Deletion
  return { status, requestedAt, eraseAfter }
}

function newDeletion(world: World, person: number, by: Deletion['by'], graceMs: number): Deletion {
  const eraseAfter = world.now + graceMs
  const firstReminder = [7 * DAY, DAY].find((before) => graceMs > before)
  return {
    id: undefined,
    token: undefined,
    person,
    by,
    status: 'pending',
    requestedAt: world.now,
    eraseAfter,
    nextReminderAt: firstReminder ? eraseAfter - firstReminder : null,
    cancelledAt: null,
    claimedAt: null,
    erasedAt: null,
    counts: null,
    lease: null,
    nextAttemptAt: eraseAfter,
    attempts: 0,
    export: {
      token: undefined,
      status: 'pending',
      createdAt: null,
      expiresAt: null,
      archive: false,
      lease: null,
      nextAttemptAt: world.now,
      attempts: 0,
    },
  }
}

const UNKNOWN_TOKEN = 'A'.repeat(43)

/** Cancels by the link in the mails of this deletion; undefined stands for a token that was never mailed. */
export function cancelByToken(world: World, number: number | undefined): Command {
  const token = number === undefined ? UNKNOWN_TOKEN : (deletionOf(world, number).token ?? '')
  return {
    modelSteps: atomically((world) =>
      number === undefined ? refusal('deletion-not-found') : cancel(world, number),
    ),
    async perform({ db }) {
      return { answer: cancelAnswer(await cancelDeletionByToken(db, token)) }
    },
  }
}

export function cancelByPassword(email: string, password: string): Command {
  return {
    modelSteps: atomically((world) => {
      const index = findAccount(world, email)
      if (index === undefined || personOf(world, index).password !== password)
        return refusal('wrong-credentials')
      const number = world.deletions.findLastIndex(({ person }) => person === index)
      return number < 0
        ? refusal('deletion-not-pending', { deletionStatus: 'none' })
        : cancel(world, number)
    }),
    async perform({ db, hasher }) {
      return {
        answer: cancelAnswer(await cancelDeletionByPassword(db, hasher, { email, password })),
      }
    },
  }
}

function cancelAnswer({ status, archive }: Cancelled): Answer {
  return { status, archive: archive !== null }
}

function cancel(world: World, number: number): Answer {
  const deletion = deletionOf(world, number)
  if (deletion.status !== 'pending')
    return refusal('deletion-not-pending', { deletionStatus: deletion.status })
  const archive = deletion.export
  Object.assign(deletion, { status: 'cancelled', cancelledAt: world.now })
  Object.assign(deletion, { nextReminderAt: null, lease: null })
  personOf(world, deletion.person).active = true
  if (archive.status === 'pending' || archive.status === 'ready') archive.status = 'withdrawn'
  archive.lease = null
  stageMail(world, number, 'deletion-cancelled')
  recordEvent(world, number, 'deletion.cancelled')
  return { status: 'cancelled', archive: archive.archive }
}

/** The status that the page behind the link shows. */
export function lookUpStatus(world: World, number: number): Command {
  const token = deletionOf(world, number).token ?? ''
  return {
    modelSteps: atomically((world) => {
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
      return { answer: withTimesInMs({ ...facts, exportStatus, exportExpiresAt }) }
    },
  }
}
