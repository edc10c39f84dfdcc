import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { endSession, listSessions, logIn } from '@lethe/accounts'
import { Type } from 'typebox'
import { sessionOf } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { clearSessionCookie, setSessionCookie } from '../session-cookie.ts'
import { Credentials, Id, NoContent, Time, User } from './schemas.ts'

const SessionList = Type.Object({
  sessions: Type.Array(
    Type.Object({
      id: Id,
      kind: Type.Union([Type.Literal('cookie'), Type.Literal('refresh')]),
      current: Type.Boolean(),
      authenticatedAt: Time,
      expiresAt: Time,
    }),
  ),
})

export const sessionRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, keys, hasher, config, auth, consumePasswordLimit },
) => {
  app.post(
    '/v1/sessions',
    {
      schema: {
        summary: 'Log in with a cookie',
        body: Credentials,
        response: { 201: Type.Object({ user: User, expiresAt: Time }) },
      },
    },
    async (request, reply) => {
      await consumePasswordLimit(request, request.body.email)
      const { user, session, token } = await logIn(db, keys, hasher, {
        ...request.body,
        kind: 'cookie',
        ttl: config.sessionTtl.iso,
      })
      setSessionCookie(reply, config, token)
      reply.code(201)
      return { user, expiresAt: session.expiresAt }
    },
  )

  app.get(
    '/v1/sessions',
    {
      onRequest: auth.authenticate,
      schema: { summary: 'Your sessions', response: { 200: SessionList } },
    },
    async (request) => {
      const current = sessionOf(request)
      const sessions = await listSessions(db, current.userId)
      return {
        sessions: sessions.map((session) => ({ ...session, current: session.id === current.id })),
      }
    },
  )

  app.delete(
    '/v1/sessions/current',
    {
      onRequest: auth.authenticate,
      schema: { summary: 'Log out', response: { 204: NoContent } },
    },
    async (request, reply) => {
      const { userId, id, kind } = sessionOf(request)
      await endSession(db, userId, id)
      if (kind === 'cookie') clearSessionCookie(reply, config)
      return reply.code(204).send()
    },
  )

  app.delete(
    '/v1/sessions/:sessionId',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'End one of your sessions',
        params: Type.Object({ sessionId: Id }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await endSession(db, sessionOf(request).userId, request.params.sessionId)
      return reply.code(204).send()
    },
  )
}
