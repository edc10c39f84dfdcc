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
import { atOnce, type Deed, inMilliseconds, refused } from '../command.ts'
import type { Real } from '../system-under-test.ts'
import { type LogIn, type Person, personOf, type World } from '../world.ts'

/** A log-in of which the person holds the tokens, whether or not it is over. */
export interface HeldLogIn extends LogIn {
  held: NonNullable<LogIn['held']>
}

/** The log-in as the API finds it on each request; undefined where it is over, or its person not active. */
export function acceptedLogIn(world: World, index: number): (LogIn & { who: Person }) | undefined {
  const session = world.sessions[index] as LogIn
  const who = personOf(world, session.person)
  const accepted = !session.over && who.active && session.expiresAt > world.now
  return accepted ? { ...session, who } : undefined
}

/** The same for real: by the cookie, or by the id in the access token. */
export async function findAccepted({ db }: Real, { kind, held }: HeldLogIn): Promise<Session> {
  const [token = ''] = held.tokens
  const session =
    kind === 'cookie' ? await findSessionByToken(db, token) : await findSession(db, held.session.id)
  if (!session) throw new AccountError('unauthenticated')
  return session
}

export function ask(index: number, logIn: HeldLogIn): Deed {
  return {
    course: atOnce((world) => {
      const accepted = acceptedLogIn(world, index)
      if (!accepted) return refused('unauthenticated')
      const { who, kind, authenticatedAt, expiresAt } = accepted
      return { userId: who.id, role: who.role, kind, authenticatedAt, expiresAt }
    }),
    async perform(real) {
      const { id: _, ...facts } = await findAccepted(real, logIn)
      return { answer: inMilliseconds(facts) }
    },
  }
}

/** With the token of this turn: the newest that the person was given, or one that was used. */
export function refreshWith(index: number, { held }: HeldLogIn, turn: number): Deed {
  const token = held.tokens[turn] ?? 'a token that was lost'
  return {
    *course(world) {
      yield
      const session = world.sessions[index] as LogIn
      if (acceptedLogIn(world, index) && turn === session.turns) {
        session.turns++
        yield
        // Whoever came with the same token meanwhile has ended the session.
        if (acceptedLogIn(world, index)) return {}
      }
      yield
      session.over = true
      return refused('unauthenticated')
    },
    async perform({ db, keys }) {
      const { token: next } = await refresh(db, keys, token)
      return {
        answer: {},
        keep(world) {
          const session = world.sessions[index] as LogIn
          if (session.held) session.held.tokens[turn + 1] = next
        },
      }
    },
  }
}

/** `underWay`: the session was found before what came since, and only now does the request write. */
export function save(index: number, logIn: HeldLogIn, secret: string, underWay: boolean): Deed {
  const site = `${secret}.example`
  return {
    course: atOnce((world) => {
      const { person } = world.sessions[index] as LogIn
      const who = personOf(world, person)
      if (!(underWay ? who.active : acceptedLogIn(world, index))) return refused('unauthenticated')
      who.saved.push({ site, secret, at: world.now })
      return { site, createdAt: world.now }
    }),
    async perform(real) {
      const { userId } = underWay ? logIn.held.session : await findAccepted(real, logIn)
      const entry = { site, username: 'me', password: secret }
      const { createdAt } = await savePassword(real.db, real.keys, userId, entry)
      return { answer: inMilliseconds({ site, createdAt }) }
    },
  }
}

const png = Buffer.from('89504e470d0a1a0a', 'hex')

export function upload(index: number, logIn: HeldLogIn, bytes: number): Deed {
  return {
    course: atOnce((world) => {
      const accepted = acceptedLogIn(world, index)
      if (!accepted) return refused('unauthenticated')
      accepted.who.avatar = png.length + bytes
      return {}
    }),
    async perform(real) {
      const { userId } = await findAccepted(real, logIn)
      const body = Buffer.concat([png, randomBytes(bytes)])
      await putAvatar(real.db, real.deps.uploadDir, userId, { type: 'image/png', body })
      return { answer: {} }
    },
  }
}

export function choosePassword(
  index: number,
  logIn: HeldLogIn,
  currentPassword: string,
  newPassword: string,
): Deed {
  return {
    course: atOnce((world) => {
      const accepted = acceptedLogIn(world, index)
      if (!accepted) return refused('unauthenticated')
      if (accepted.who.password !== currentPassword) return refused('wrong-password')
      accepted.who.password = newPassword
      for (const [other, session] of world.sessions.entries())
        if (session.person === accepted.person && other !== index) session.over = true
      return {}
    }),
    async perform(real) {
      const session = await findAccepted(real, logIn)
      await changePassword(real.db, real.hasher, session, { currentPassword, newPassword })
      return { answer: {} }
    },
  }
}
