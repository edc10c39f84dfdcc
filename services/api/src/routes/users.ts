import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { changePassword, getUser, signUp } from '@lethe/accounts'
import { Type } from 'typebox'
import { ownId, sessionOf } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { Email, NoContent, Password, ShownPassword, User, UserParams } from './schemas.ts'

// Without control characters: a name is one line wherever it is shown.
const DisplayName = Type.String({ maxLength: 100, pattern: '^\\P{Cc}*$' })
const SignUp = Type.Object(
  { email: Email, password: Password, displayName: Type.Optional(DisplayName) },
  { additionalProperties: false },
)
const PasswordChange = Type.Object(
  { currentPassword: ShownPassword, newPassword: Password },
  { additionalProperties: false },
)
const UserAnswer = Type.Object({ user: User })

export const userRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, keys, hasher, auth, spend, spendPassword },
) => {
  app.post(
    '/v1/users',
    { schema: { summary: 'Sign up', body: SignUp, response: { 201: UserAnswer } } },
    async (request, reply) => {
      await spend(request, 'signUpPerCaller')
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
      const { email } = await getUser(db, ownId(request))
      await spendPassword(request, email)
      await changePassword(db, hasher, sessionOf(request), request.body)
      return reply.code(204).send()
    },
  )
}
