import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit'
import { normalizeAddress } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { countHit, type Keys } from '@lethe/lifecycle'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callerNetworks } from './callers.ts'
import { problem } from './problems.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** At most `max` requests in `window` milliseconds, per caller or per account. */
export const limits = {
  /** Shared by all requests that check a password. */
  passwordPerCaller: { max: 10, window: MINUTE },
  passwordPerAccount: { max: 10, window: 15 * MINUTE },
  signUpPerCaller: { max: 10, window: HOUR },
  /** Shared by cancel, status and export by token. */
  linkPerCaller: { max: 30, window: MINUTE },
  deletionPerAccount: { max: 10, window: HOUR },
}

export type LimitName = keyof typeof limits

/**
 * Counts the request against a limit; beyond it throws `too-many-requests`.
 * `account` is its id or address, for a limit per account. Without it the caller's network is counted.
 */
export type ConsumeLimit = (
  request: FastifyRequest,
  limit: LimitName,
  account?: string | number,
) => Promise<void>

/** Counts an attempt at the password of the account with this address. All routes that check a password share these limits. */
export type ConsumePasswordLimit = (request: FastifyRequest, email: string) => Promise<void>

export function passwordLimits(consumeLimit: ConsumeLimit): ConsumePasswordLimit {
  return async (request, email) => {
    await consumeLimit(request, 'passwordPerCaller')
    await consumeLimit(request, 'passwordPerAccount', normalizeAddress(email).toLowerCase())
  }
}

/** Stores the counters in PostgreSQL, so that all instances of the API share them. */
export function rateLimits(
  app: FastifyInstance,
  { db, keys, on }: { db: Db; keys: Keys; on: boolean },
): ConsumeLimit {
  app.register(rateLimit, { global: false, store: sharedStore(db, keys) })
  return async (request, limit, account) => {
    if (!on) return
    const counted =
      account === undefined ? callerNetworks(request.ip) : [{ name: String(account), share: 1 }]
    // Count the narrow network first: a caller beyond its limit then uses up nothing of the wider network's limit.
    for (const { name, share } of counted) {
      const { max, window } = limits[limit]
      const count = app.createRateLimit({
        max: max * share,
        timeWindow: window,
        keyGenerator: () => `${limit} ${name}`,
      })
      const result = await count(request)
      if (!result.isAllowed && result.isExceeded)
        throw problem('too-many-requests', {
          headers: { 'retry-after': String(Math.max(1, result.ttlInSeconds)) },
        })
    }
  }
}

function sharedStore(db: Db, keys: Keys) {
  return class SharedStore implements FastifyRateLimitStore {
    incr(...[key, callback, window]: Parameters<FastifyRateLimitStore['incr']>): void {
      countHit(db, keys, key, window / 1000).then(
        ({ hits, endsIn }) => callback(null, { current: hits, ttl: endsIn }),
        callback,
      )
    }

    child(): FastifyRateLimitStore {
      return this
    }
  }
}
