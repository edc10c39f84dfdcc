import { randomBytes, randomUUID } from 'node:crypto'
import type { Db } from '@lethe/db'
import type { BreakerLimits, Deletion } from '@lethe/lifecycle'
import { deletionToken, deriveKeys, type Keys, publishArchives } from '@lethe/lifecycle'
import { hash, verify } from '@node-rs/argon2'
import { type Hasher, withNormalization } from '../src/hashing.ts'
import {
  type DeletionRequest,
  type DeletionRules,
  requestDeletion,
} from '../src/request-deletion.ts'
import type { Session } from '../src/session.ts'
import { logIn } from '../src/sessions.ts'
import { signUp, type User } from '../src/users.ts'

export { insertDueDeletions } from './insert-due-deletions.ts'

export const password = 'correct horse battery staple'

/** Tests do not reach these limits unless they mean to. */
export const breakerLimits: BreakerLimits = { floor: 1_000, share: 0.1 }

/**
 * Argon2id with its minimum cost, because tests hash thousands of times. It verifies passwords but does not protect
 * them.
 */
export const cheapHasher: Hasher = withNormalization({
  hash: (secret) => hash(secret, { memoryCost: 8, timeCost: 1, parallelism: 1 }),
  verify: async (passwordHash, secret) => !!passwordHash && verify(passwordHash, secret),
})

export interface Person {
  user: User
  session: Session
  token: string
}

export interface TestContext {
  db: Db
  keys: Keys
  hasher: Hasher
  rules: DeletionRules
  /** Signs a person up and logs them in. */
  person(email?: string): Promise<Person>
  logIn(email: string, kind?: 'cookie' | 'refresh'): Promise<Person>
  request(who: Person, wish?: Wish, gracePeriod?: string): Promise<Deletion>
  requestFor(who: Person, userId: number, wish?: Wish, gracePeriod?: string): Promise<Deletion>
  /** Returns the token in the mail about this deletion. */
  cancelToken(deletionId: string): Promise<string>
  /** Makes the promised export ready, without a stored archive. */
  publishArchive(deletionId: string): Promise<void>
}

type Wish = Pick<DeletionRequest, 'password' | 'eraseNow'>

/** Creates all dependencies of the rules on a database of this test. */
export async function createTestContext(db: Db, gracePeriod = 'P27D'): Promise<TestContext> {
  const keys = deriveKeys(randomBytes(32))
  const hasher = cheapHasher
  const enter = (email: string, kind: 'cookie' | 'refresh' = 'cookie') =>
    logIn(db, keys, hasher, { email, password, kind, ttl: 'P14D' })
  const rules = { gracePeriod, reauthenticationWindow: 'PT15M' }
  const requestFor: TestContext['requestFor'] = (who, userId, wish = {}, grace = gracePeriod) =>
    requestDeletion(
      db,
      keys,
      hasher,
      who.session,
      { userId, ...wish },
      { ...rules, gracePeriod: grace },
    )
  return {
    db,
    keys,
    hasher,
    rules,
    async person(email = `${randomBytes(6).toString('hex')}@example.com`) {
      await signUp(db, keys, hasher, { email, password })
      return enter(email)
    },
    logIn: enter,
    request: (who, wish, grace) => requestFor(who, who.user.id, wish, grace),
    requestFor,
    cancelToken: (deletionId) => cancelToken(db, keys, deletionId),
    publishArchive: (deletionId) => publishArchive(db, deletionId),
  }
}

async function cancelToken(db: Db, keys: Keys, deletionId: string): Promise<string> {
  const { token_nonce } = await db
    .selectFrom('deletions')
    .select('token_nonce')
    .where('id', '=', deletionId)
    .executeTakeFirstOrThrow()
  if (!token_nonce) throw new Error('the deletion is over')
  return deletionToken(keys, token_nonce)
}

async function publishArchive(db: Db, deletionId: string): Promise<void> {
  const lease = randomUUID()
  const { id } = await db
    .updateTable('exports')
    .set({ lease })
    .where('deletion_id', '=', deletionId)
    .returning('id')
    .executeTakeFirstOrThrow()
  const archive = { fileName: `${'a'.repeat(64)}.zip`, bytes: 10, sha256: Buffer.alloc(32) }
  const [offered] = await publishArchives(db, lease, [{ exportId: id, ...archive }], 'P7D')
  if (!offered) throw new Error('the export was not made')
}
