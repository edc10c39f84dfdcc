import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { previewDeletion } from '@lethe/accounts'
import { deletionStatus } from '@lethe/lifecycle'
import { Type } from 'typebox'
import { ownId, sessionOf } from '../auth.ts'
import { cancelDeletion } from '../cancel-deletion.ts'
import type { RouteDeps } from '../deps.ts'
import { handleDeletionRequest, maskAsNotFound } from '../handle-deletion-request.ts'
import { omitNulls } from '../omit-nulls.ts'
import {
  Credentials,
  DeletionState,
  ExportState,
  Id,
  LinkToken,
  ShownPassword,
  Time,
  UserParams,
} from './schemas.ts'

const DeletionOptions = Type.Object(
  { password: Type.Optional(ShownPassword), eraseNow: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)
const Requested = Type.Object({
  deletion: Type.Object({ id: Id, status: DeletionState, requestedAt: Time, eraseAfter: Time }),
})
const CancelledAnswer = Type.Object({
  deletion: Type.Object({ id: Id, status: Type.Literal('cancelled') }),
})
const Report = Type.Object({
  deletion: Type.Object({
    id: Id,
    status: DeletionState,
    requestedAt: Time,
    eraseAfter: Time,
    cancelledAt: Type.Optional(Time),
    erasedAt: Type.Optional(Time),
    export: Type.Optional(
      Type.Object({
        status: ExportState,
        bytes: Type.Optional(Type.Integer()),
        expiresAt: Type.Optional(Time),
        downloads: Type.Integer(),
        downloadedAt: Type.Optional(Time),
      }),
    ),
  }),
})
const Preview = Type.Object({
  tables: Type.Record(Type.String(), Type.Integer()),
  files: Type.Integer(),
  bytes: Type.Integer(),
})

export const deletionRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { db, config, auth, consumeLimit } = deps

  app.delete(
    '/v1/users/:userId',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Ask for the deletion of the account; every session ends at once',
        params: UserParams,
        body: Type.Union([DeletionOptions, Type.Null()]),
        response: { 202: Requested },
      },
    },
    async (request, reply) => {
      const userId = Number(request.params.userId)
      const deletion = await handleDeletionRequest(deps, request, reply, {
        userId,
        ...request.body,
      }).catch(maskAsNotFound)
      // Clear this browser's storage for the caller's own deletion, not when an administrator deletes another account.
      if (userId === sessionOf(request).userId) reply.header('clear-site-data', '"storage"')
      reply.code(202)
      return { deletion }
    },
  )

  app.get(
    '/v1/users/:userId/deletion/preview',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'What a deletion would erase now',
        params: UserParams,
        response: { 200: Preview },
      },
    },
    async (request) => previewDeletion(db, config.uploadDir, ownId(request)),
  )

  app.post(
    '/v1/deletions/cancel',
    {
      schema: {
        summary: 'Cancel a deletion, with the token from the mail or with address and password',
        body: Type.Union([LinkToken, Credentials]),
        response: { 200: CancelledAnswer },
      },
    },
    async (request) => ({ deletion: await cancelDeletion(deps, request, request.body) }),
  )

  app.post(
    '/v1/deletions/status',
    {
      schema: {
        summary: 'The status of a deletion',
        body: LinkToken,
        response: { 200: Report },
      },
    },
    async (request) => {
      await consumeLimit(request, 'linkPerCaller')
      const { export: ownExport, ...deletion } = await deletionStatus(db, request.body.token)
      return { deletion: { ...omitNulls(deletion), export: omitNulls(ownExport) } }
    },
  )
}
