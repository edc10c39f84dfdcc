import { randomBytes } from 'node:crypto'
import type { Db } from '@lethe/db'
import { createHasher, type Hasher } from './hashing.ts'
import { deriveKeys, type Keys } from './keys.ts'
import type { DeletionRules } from './request-deletion.ts'
import type { Session } from './session.ts'
import { logIn } from './sessions.ts'
import { signUp, type User } from './users.ts'

export const password = 'correct horse battery staple'

export interface Person {
  user: User
  session: Session
  token: string
}

export interface Fixture {
  db: Db
  keys: Keys
  hasher: Hasher
  rules: DeletionRules
  /** Signs somebody up and logs them in. */
  person(email?: string): Promise<Person>
  logIn(email: string, kind?: 'cookie' | 'refresh'): Promise<Person>
}

/** Everything that the rules need, on a test's own database. */
export async function fixture(db: Db, gracePeriod = 'P27D'): Promise<Fixture> {
  const keys = deriveKeys(randomBytes(32))
  const hasher = await createHasher()
  const enter = (email: string, kind: 'cookie' | 'refresh' = 'cookie') =>
    logIn(db, keys, hasher, { email, password, kind, ttl: 'P14D' })
  return {
    db,
    keys,
    hasher,
    rules: { gracePeriod, reauthenticationWindow: 'PT15M' },
    async person(email = `${randomBytes(6).toString('hex')}@example.com`) {
      await signUp(db, keys, hasher, { email, password })
      return enter(email)
    },
    logIn: enter,
  }
}
