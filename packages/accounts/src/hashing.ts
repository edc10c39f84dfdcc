import { availableParallelism } from 'node:os'
import { type Algorithm, hash, type Options, verify } from '@node-rs/argon2'
import { AccountError } from './errors.ts'
import { normalizePassword } from './normalize-password.ts'

// OWASP Password Storage Cheat Sheet, first choice for argon2id; ASVS 5.0 §11.4.2.
const parameters: Options = {
  algorithm: 2 satisfies Algorithm.Argon2id,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
}

export interface Hasher {
  hash(password: string): Promise<string>
  /** Takes as long for a user that does not exist (`undefined`) as for one that does. */
  verify(passwordHash: string | undefined, password: string): Promise<boolean>
}

/**
 * Argon2id with bounded concurrency: a hash uses a core for tens of milliseconds, so unbounded log-ins would starve
 * all other requests. With more than `waiting` queued calls it throws `busy` at once.
 */
export async function createHasher({
  concurrency = availableParallelism(),
  waiting = 64,
} = {}): Promise<Hasher> {
  const queue: (() => void)[] = []
  let running = 0
  const runBounded = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running < concurrency) running++
    else if (queue.length >= waiting) throw new AccountError('busy')
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running--
    }
  }
  const dummyHash = await hash('no account has this password', parameters)
  return withNormalization({
    hash: (password) => runBounded(() => hash(password, parameters)),
    verify: (passwordHash, password) =>
      runBounded(async () => (await verify(passwordHash ?? dummyHash, password)) && !!passwordHash),
  })
}

/**
 * Hashes passwords in normalized form. An older hash may come from the password as typed, so that form is tried too
 * if it differs. Most passwords are already normalized and need one check.
 */
export function withNormalization({ hash, verify }: Hasher): Hasher {
  return {
    hash: (password) => hash(normalizePassword(password)),
    async verify(passwordHash, password) {
      const normal = normalizePassword(password)
      if (await verify(passwordHash, normal)) return true
      return normal !== password && verify(passwordHash, password)
    },
  }
}
