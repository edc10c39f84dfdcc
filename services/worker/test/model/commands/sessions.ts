import { randomBytes } from 'node:crypto'
import {
  AccountError,
  changePassword,
  findSession,
  findSessionByToken,
  putAvatar,
  refresh,
  type Session,
  savePassword,
} from '@lethe/accounts'
import { atomically, type Command, refusal, withTimesInMs } from '../command.ts'
import type { SystemUnderTest } from '../system-under-test.ts'
import { type ModelPerson, type ModelSession, personOf, type World } from '../world.ts'

/** A session whose tokens the client has, whether or not it has ended. */
export interface HeldSession extends ModelSession {
  held: NonNullable<ModelSession['held']>
}

/** The session as the API finds it on each request; undefined if it has ended or its account is not active. */
export function acceptedSession(
  world: World,
  index: number,
): (ModelSession & { who: ModelPerson }) | undefined {
  const session = world.sessions[index] as ModelSession
  const who = personOf(world, session.person)
  const accepted = !session.ended && who.active && session.expiresAt > world.now
  return accepted ? { ...session, who } : undefined
}

/** The same in the system: by the cookie, or by the id in the access token. */
export async function findAcceptedSession(
  { db }: SystemUnderTest,
  { kind, held }: HeldSession,
): Promise<Session> {
  const [token = ''] = held.tokens
  const session =
    kind === 'cookie' ? await findSessionByToken(db, token) : await findSession(db, held.session.id)
  if (!session) throw new AccountError('unauthenticated')
  return session
}

export function readSession(index: number, heldSession: HeldSession): Command {
  return {
    modelSteps: atomically((world) => {
      const accepted = acceptedSession(world, index)
      if (!accepted) return refusal('unauthenticated')
      const { who, kind, authenticatedAt, expiresAt } = accepted
      return { userId: who.id, role: who.role, kind, authenticatedAt, expiresAt }
    }),
    async perform(system) {
      const { id: _, ...facts } = await findAcceptedSession(system, heldSession)
      return { answer: withTimesInMs(facts) }
    },
  }
}

/** Refreshes with the token of this turn: the newest one of the client, or a used one. */
export function refreshWith(index: number, { held }: HeldSession, turn: number): Command {
  const token = held.tokens[turn] ?? 'a token that was lost'
  return {
    *modelSteps(world) {
      yield
      const session = world.sessions[index] as ModelSession
      if (acceptedSession(world, index) && turn === session.refreshes) {
        session.refreshes++
        yield
        // A concurrent request with the same token ends the session.
        if (acceptedSession(world, index)) return {}
      }
      yield
      session.ended = true
      return refusal('unauthenticated')
    },
    async perform({ db, keys }) {
      const { token: next } = await refresh(db, keys, token)
      return {
        answer: {},
        updateModel(world) {
          const session = world.sessions[index] as ModelSession
          if (session.held) session.held.tokens[turn + 1] = next
        },
      }
    },
  }
}

/** `underWay`: the session was read earlier, before other commands, and the request writes only now. */
export function saveSecret(
  index: number,
  heldSession: HeldSession,
  secret: string,
  underWay: boolean,
): Command {
  const site = `${secret}.example`
  return {
    modelSteps: atomically((world) => {
      const { person } = world.sessions[index] as ModelSession
      const who = personOf(world, person)
      if (!(underWay ? who.active : acceptedSession(world, index)))
        return refusal('unauthenticated')
      who.saved.push({ site, secret, at: world.now })
      return { site, createdAt: world.now }
    }),
    async perform(system) {
      const { userId } = underWay
        ? heldSession.held.session
        : await findAcceptedSession(system, heldSession)
      const entry = { site, username: 'me', password: secret }
      const { createdAt } = await savePassword(system.db, system.keys, userId, entry)
      return { answer: withTimesInMs({ site, createdAt }) }
    },
  }
}

const png = Buffer.from('89504e470d0a1a0a', 'hex')

export function uploadAvatar(index: number, heldSession: HeldSession, bytes: number): Command {
  return {
    modelSteps: atomically((world) => {
      const accepted = acceptedSession(world, index)
      if (!accepted) return refusal('unauthenticated')
      accepted.who.avatar = png.length + bytes
      return {}
    }),
    async perform(system) {
      const { userId } = await findAcceptedSession(system, heldSession)
      const body = Buffer.concat([png, randomBytes(bytes)])
      await putAvatar(system.db, system.deps.uploadDir, userId, { type: 'image/png', body })
      return { answer: {} }
    },
  }
}

export function choosePassword(
  index: number,
  heldSession: HeldSession,
  currentPassword: string,
  newPassword: string,
): Command {
  return {
    modelSteps: atomically((world) => {
      const accepted = acceptedSession(world, index)
      if (!accepted) return refusal('unauthenticated')
      if (accepted.who.password !== currentPassword) return refusal('wrong-password')
      accepted.who.password = newPassword
      for (const [other, session] of world.sessions.entries())
        if (session.person === accepted.person && other !== index) session.ended = true
      return {}
    }),
    async perform(system) {
      const session = await findAcceptedSession(system, heldSession)
      await changePassword(system.db, system.hasher, session, { currentPassword, newPassword })
      return { answer: {} }
    },
  }
}
