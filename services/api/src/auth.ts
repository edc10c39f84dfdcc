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

/** Seconds. Every request looks up the session of its token, so ending the session ends the token at once. */
export const ACCESS_TOKEN_TTL = 15 * 60

export interface Auth {
  /** An `onRequest` hook: the caller is authenticated before path, body and content type are checked. */
  authenticate: onRequestAsyncHookHandler
  /** The same for a route that accepts no cookie. */
  authenticateByToken: onRequestAsyncHookHandler
  signAccessToken(session: Session): Promise<string>
}

const sessions = new WeakMap<FastifyRequest, Session>()

/** The caller's session. Throws on a route that does not authenticate. */
export function sessionOf(request: FastifyRequest): Session {
  const session = sessions.get(request)
  if (!session) throw new Error('this route does not authenticate')
  return session
}

/** The user id in the path, which must be the caller's own. Any other id is `user-not-found`, as if no such account existed. */
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
    // The database checks the expiry: this instance's clock may differ from that of the instance that signed.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })

  const findByAccessToken = async (token: string): Promise<Session | undefined> => {
    const claims = readClaims(app, token)
    return claims && findSessionOfAccessToken(db, claims)
  }
  const requireSession = (request: FastifyRequest, session: Session | undefined) => {
    if (!session) throw new AccountError('unauthenticated')
    sessions.set(request, session)
  }

  return {
    async authenticate(request) {
      // A request with a token is authenticated by that token alone, because the token also exempts it from the cross-site check.
      const token = bearerToken(request)
      const cookie = request.cookies[config.sessionCookieName]
      if (token !== undefined) requireSession(request, await findByAccessToken(token))
      else requireSession(request, cookie ? await findSessionByToken(db, cookie) : undefined)
    },
    async authenticateByToken(request) {
      const token = bearerToken(request)
      requireSession(request, token === undefined ? undefined : await findByAccessToken(token))
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
