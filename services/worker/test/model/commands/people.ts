import { logIn as logInFor, setRole, signUp as signUpFor } from '@lethe/accounts'
import type { Role } from '@lethe/db'
import { atomically, type Command, refusal, withTimesInMs } from '../command.ts'
import { sessionTtl } from '../durations.ts'
import { findAccount, latestDeletion, type ModelSession, personOf, type World } from '../world.ts'

export function signUp(email: string, password: string): Command {
  return {
    modelSteps: atomically((world) => {
      if (findAccount(world, email) !== undefined) return refusal('address-taken')
      world.people.push({
        id: undefined,
        email: toStoredAddress(email),
        password,
        role: 'member',
        active: true,
        erased: false,
        createdAt: world.now,
        saved: [],
        avatar: undefined,
      })
      return { email: toStoredAddress(email), displayName: null, createdAt: world.now }
    }),
    async perform({ db, keys, hasher }) {
      const { id: _, ...user } = await signUpFor(db, keys, hasher, { email, password })
      return { answer: withTimesInMs(user) }
    },
  }
}

export function logIn(email: string, password: string, kind: ModelSession['kind']): Command {
  return {
    *modelSteps(world) {
      yield
      const index = findAccount(world, email)
      if (index === undefined) return refusal('wrong-credentials')
      const person = personOf(world, index)
      if (person.password !== password) return refusal('wrong-credentials')
      if (person.active) {
        const times = { authenticatedAt: world.now, expiresAt: world.now + sessionTtl.ms }
        world.sessions.push({
          id: undefined,
          person: index,
          kind,
          ...times,
          ended: false,
          refreshes: 0,
          hashes: [],
          held: undefined,
        })
        return { userId: person.id, role: person.role, kind, ...times }
      }
      const deletion = latestDeletion(world, index)
      return deletion?.status === 'pending'
        ? refusal('account-pending-deletion', { eraseAfter: deletion.eraseAfter })
        : refusal('wrong-credentials')
    },
    async perform({ db, keys, hasher }) {
      const ttl = sessionTtl.iso
      const { session, token } = await logInFor(db, keys, hasher, { email, password, kind, ttl })
      const { id: _, ...facts } = session
      return {
        answer: withTimesInMs(facts),
        updateModel(world) {
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

export function changeRole(email: string, role: Role): Command {
  return {
    modelSteps: atomically((world) => {
      const index = findAccount(world, email)
      const person = index === undefined ? undefined : personOf(world, index)
      if (person?.active) person.role = role
      return { done: person?.active === true }
    }),
    perform: async ({ db }) => ({ answer: { done: await setRole(db, email, role) } }),
  }
}

/** Domains are case-insensitive, and stored in lower case. */
const toStoredAddress = (email: string) => email.replace(/@.*$/, (domain) => domain.toLowerCase())
