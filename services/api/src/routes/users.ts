import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { changePassword, getAddress, getUser, signUp } from '@lethe/accounts'
import { Type } from 'typebox'
import { ownId, sessionOf } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { NewEmail, NoContent, Password, ShownPassword, User, UserParams } from './schemas.ts'

// No control characters, so that a name is always shown on one line.
const DisplayName = Type.String({ maxLength: 100, pattern: '^\\P{Cc}*$' })
const SignUp = Type.Object(
  { email: NewEmail, password: Password, displayName: Type.Optional(DisplayName) },
  { additionalProperties: false },
)
const PasswordChange = Type.Object(
  { currentPassword: ShownPassword, newPassword: Password },
  { additionalProperties: false },
)
const UserAnswer = Type.Object({ user: User })

export const userRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, keys, hasher, auth, consumeLimit, consumePasswordLimit },
) => {
  app.post(
    '/v1/users',
    { schema: { summary: 'Sign up', body: SignUp, response: { 201: UserAnswer } } },
    async (request, reply) => {
      await consumeLimit(request, 'signUpPerCaller')
      reply.code(201)
      return { user: await signUp(db, keys, hasher, request.body) }
    },
  )

  app.get(
    '/v1/users/:userId',
    {
      onRequest: auth.authenticate,
      schema: { summary: 'Your profile', params: UserParams, response: { 200: UserAnswer } },
    },
    async (request) => ({ user: await getUser(db, ownId(request)) }),
  )

  app.put(
    '/v1/users/:userId/password',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Change your password; every other session ends',
        params: UserParams,
        body: PasswordChange,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      ownId(request)
      const session = sessionOf(request)
      await consumePasswordLimit(request, await getAddress(db, session))
      await changePassword(db, hasher, session, request.body)
      return reply.code(204).send()
    },
  )
}
