import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { listSavedPasswords, removeSavedPassword, savePassword } from '@lethe/accounts'
import { Type } from 'typebox'
import { ownId } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { Id, NoContent, Time, UserParams } from './schemas.ts'

const Text = Type.String({ minLength: 1, maxLength: 2048 })
const Entry = Type.Object(
  { site: Text, username: Type.String({ maxLength: 2048 }), password: Text },
  { additionalProperties: false },
)
const Saved = Type.Object({
  id: Id,
  site: Type.String(),
  username: Type.String(),
  password: Type.String(),
  createdAt: Time,
})

export const savedPasswordRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, keys, auth },
) => {
  app.get(
    '/v1/users/:userId/passwords',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Your saved passwords',
        params: UserParams,
        response: { 200: Type.Object({ passwords: Type.Array(Saved) }) },
      },
    },
    async (request) => ({ passwords: await listSavedPasswords(db, keys, ownId(request)) }),
  )

  app.post(
    '/v1/users/:userId/passwords',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Save a password, encrypted',
        params: UserParams,
        body: Entry,
        response: { 201: Type.Object({ password: Saved }) },
      },
    },
    async (request, reply) => {
      reply.code(201)
      return { password: await savePassword(db, keys, ownId(request), request.body) }
    },
  )

  app.delete(
    '/v1/users/:userId/passwords/:passwordId',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Remove a saved password',
        params: Type.Object({
          ...UserParams.properties,
          passwordId: Id,
        }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await removeSavedPassword(db, ownId(request), request.params.passwordId)
      return reply.code(204).send()
    },
  )
}
