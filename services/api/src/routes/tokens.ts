import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { logIn, refresh, type Session } from '@lethe/accounts'
import { Type } from 'typebox'
import { ACCESS_TOKEN_TTL } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { Credentials } from './schemas.ts'

const Refresh = Type.Object(
  { refreshToken: Type.String({ minLength: 1, maxLength: 256 }) },
  { additionalProperties: false },
)
const TokenPair = Type.Object({
  accessToken: Type.String({ description: 'A JWT with the id of its session as `sid`' }),
  refreshToken: Type.String({ description: 'Can be used once' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds until the access token expires' }),
})

export const tokenRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, keys, hasher, config, auth, consumePasswordLimit },
) => {
  const tokenPair = async (session: Session, refreshToken: string) => ({
    accessToken: await auth.signAccessToken(session),
    refreshToken,
    tokenType: 'Bearer' as const,
    expiresIn: ACCESS_TOKEN_TTL,
  })

  app.post(
    '/v1/tokens',
    { schema: { summary: 'Log in with tokens', body: Credentials, response: { 201: TokenPair } } },
    async (request, reply) => {
      await consumePasswordLimit(request, request.body.email)
      const { session, token } = await logIn(db, keys, hasher, {
        ...request.body,
        kind: 'refresh',
        ttl: config.sessionTtl.iso,
      })
      reply.code(201)
      return tokenPair(session, token)
    },
  )

  app.post(
    '/v1/tokens/refresh',
    {
      schema: {
        summary: 'Exchange a refresh token for new tokens',
        body: Refresh,
        response: { 201: TokenPair },
      },
    },
    async (request, reply) => {
      const { session, token } = await refresh(db, keys, request.body.refreshToken)
      reply.code(201)
      return tokenPair(session, token)
    },
  )
}
