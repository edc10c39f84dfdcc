import jwt from '@fastify/jwt'
import {
  AccountError,
  findSessionByToken,
  findSessionOfAccessToken,
  type Session,
} from '@lethe/accounts'
import type { Db } from '@lethe/db'
import { type Keys, readDatabaseTime } from '@lethe/lifecycle'
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import type { ApiConfig } from './config.ts'
import { bearerToken } from './cross-site.ts'
import { parseUserId } from './user-id.ts'

/** Seconds. The session behind it is looked up on every request, so ending that ends the token at once. */
export const ACCESS_TOKEN_TTL = 15 * 60

export interface Auth {
  /** An `onRequest` hook: who is asking is settled before path, body and type are judged. */
  authenticate: onRequestAsyncHookHandler
  /** The same, for a route that takes no cookie. */
  authenticateByToken: onRequestAsyncHookHandler
  signAccessToken(session: Session): Promise<string>
}

const sessions = new WeakMap<FastifyRequest, Session>()

/** Who is asking; only on a route that authenticates. */
export function sessionOf(request: FastifyRequest): Session {
  const session = sessions.get(request)
  if (!session) throw new Error('this route does not authenticate')
  return session
}

/** The user that the path names, who must be the one who asks: anybody else's account looks as if it were not there. */
export function ownId(request: FastifyRequest<{ Params: { userId: string } }>): number {
  const { userId } = sessionOf(request)
  if (parseUserId(request.params.userId) !== userId) throw new AccountError('user-not-found')
  return userId
}

export function authentication(
  app: FastifyInstance,
  { db, keys, config }: { db: Db; keys: Keys; config: ApiConfig },
): Auth {
  app.register(jwt, {
    secret: keys.accessTokens,
    sign: { algorithm: 'HS256', expiresIn: ACCESS_TOKEN_TTL },
    // Whether it is over is asked of the database: our own clock may be another than that of the instance that signed.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })

  const byAccessToken = async (token: string): Promise<Session | undefined> => {
    const claims = readClaims(app, token)
    return claims && findSessionOfAccessToken(db, claims)
  }
  const settle = (request: FastifyRequest, session: Session | undefined) => {
    if (!session) throw new AccountError('unauthenticated')
    sessions.set(request, session)
  }

  return {
    async authenticate(request) {
      // A request that brings a token is judged by that token alone: it is also what frees it of the cross-site rule.
      const token = bearerToken(request)
      const cookie = request.cookies[config.sessionCookieName]
      if (token !== undefined) settle(request, await byAccessToken(token))
      else settle(request, cookie ? await findSessionByToken(db, cookie) : undefined)
    },
    async authenticateByToken(request) {
      const token = bearerToken(request)
      settle(request, token === undefined ? undefined : await byAccessToken(token))
    },
    async signAccessToken({ id, userId }) {
      return app.jwt.sign({ sid: id, sub: String(userId), iat: await readDatabaseTime(db) })
    },
  }
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function readClaims(app: FastifyInstance, token: string): { sid: string; exp: number } | undefined {
  try {
    const { sid, exp } = app.jwt.verify<{ sid?: unknown; exp?: unknown }>(token)
    if (typeof sid !== 'string' || !uuid.test(sid) || typeof exp !== 'number') return undefined
    return { sid, exp }
  } catch {
    return undefined
  }
}
