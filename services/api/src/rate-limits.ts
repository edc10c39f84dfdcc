import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit'
import { normalizeAddress } from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { countHit, type Keys } from '@lethe/lifecycle'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callerNetworks } from './callers.ts'
import { problem } from './problems.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** How many in how many milliseconds, per caller or per account. */
export const limits = {
  /** Log-in, token, cancel by password and password in a deletion, together. */
  passwordPerCaller: { max: 10, window: MINUTE },
  passwordPerAccount: { max: 10, window: 15 * MINUTE },
  signUpPerCaller: { max: 10, window: HOUR },
  /** Cancel, status and export by token, together. */
  linkPerCaller: { max: 30, window: MINUTE },
  deletionPerAccount: { max: 10, window: HOUR },
}

export type LimitName = keyof typeof limits

/**
 * Counts the request against a limit; beyond it throws `too-many-requests`.
 * `whose` is the account, as id or address, for a limit per account; the caller's network otherwise.
 */
export type ConsumeLimit = (
  request: FastifyRequest,
  limit: LimitName,
  whose?: string | number,
) => Promise<void>

/** Counts a try at a password of the account with this address: all routes that check one share the two limits. */
export type ConsumePasswordLimit = (request: FastifyRequest, email: string) => Promise<void>

export function passwordLimits(consumeLimit: ConsumeLimit): ConsumePasswordLimit {
  return async (request, email) => {
    await consumeLimit(request, 'passwordPerCaller')
    await consumeLimit(request, 'passwordPerAccount', normalizeAddress(email).toLowerCase())
  }
}

/** Counters live in PostgreSQL, so that all instances of the API share them. */
export function rateLimits(
  app: FastifyInstance,
  { db, keys, on }: { db: Db; keys: Keys; on: boolean },
): ConsumeLimit {
  app.register(rateLimit, { global: false, store: sharedStore(db, keys) })
  return async (request, limit, whose) => {
    if (!on) return
    const counted =
      whose === undefined ? callerNetworks(request.ip) : [{ name: String(whose), share: 1 }]
    // The narrow network first: one caller beyond its limit uses up nothing of its neighbors'.
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
