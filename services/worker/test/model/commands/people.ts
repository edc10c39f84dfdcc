import { logIn as logInFor, setRole, signUp as signUpFor } from '@lethe/accounts'
import type { Role } from '@lethe/db'
import { atOnce, type Deed, inMilliseconds, refused } from '../command.ts'
import { sessionTtl } from '../durations.ts'
import { holderOf, type LogIn, latestDeletion, personOf, type World } from '../world.ts'

export function signUp(email: string, password: string): Deed {
  return {
    course: atOnce((world) => {
      if (holderOf(world, email) !== undefined) return refused('address-taken')
      world.people.push({
        ...{
          id: undefined,
          email: asStored(email),
          password,
          role: 'member',
          active: true,
          erased: false,
        },
        ...{ createdAt: world.now, saved: [], avatar: undefined },
      })
      return { email: asStored(email), displayName: null, createdAt: world.now }
    }),
    async perform({ db, keys, hasher }) {
      const { id: _, ...user } = await signUpFor(db, keys, hasher, { email, password })
      return { answer: inMilliseconds(user) }
    },
  }
}

export function logIn(email: string, password: string, kind: LogIn['kind']): Deed {
  return {
    *course(world) {
      yield
      const index = holderOf(world, email)
      if (index === undefined) return refused('wrong-credentials')
      const person = personOf(world, index)
      if (person.password !== password) return refused('wrong-credentials')
      if (person.active) {
        const times = { authenticatedAt: world.now, expiresAt: world.now + sessionTtl.ms }
        world.sessions.push({
          ...{ id: undefined, person: index, kind, ...times, over: false },
          ...{ turns: 0, hashes: [], held: undefined },
        })
        return { userId: person.id, role: person.role, kind, ...times }
      }
      const deletion = latestDeletion(world, index)
      return deletion?.status === 'pending'
        ? refused('account-pending-deletion', { eraseAfter: deletion.eraseAfter })
        : refused('wrong-credentials')
    },
    async perform({ db, keys, hasher }) {
      const ttl = sessionTtl.iso
      const { session, token } = await logInFor(db, keys, hasher, { email, password, kind, ttl })
      const { id: _, ...facts } = session
      return {
        answer: inMilliseconds(facts),
        keep(world) {
          const mine = world.sessions.findLast(
            ({ held, ...s }) => !held && s.kind === kind && isOf(world, s.person, session.userId),
          )
          if (mine) mine.held = { session, tokens: [token] }
        },
      }
    },
  }
}

function isOf(world: World, person: number, userId: number): boolean {
  return personOf(world, person).id === userId
}

export function promote(email: string, role: Role): Deed {
  return {
    course: atOnce((world) => {
      const index = holderOf(world, email)
      const person = index === undefined ? undefined : personOf(world, index)
      if (person?.active) person.role = role
      return { done: person?.active === true }
    }),
    perform: async ({ db }) => ({ answer: { done: await setRole(db, email, role) } }),
  }
}

/** Domains are case-insensitive, and stored in lower case. */
const asStored = (email: string) => email.replace(/@.*$/, (domain) => domain.toLowerCase())
