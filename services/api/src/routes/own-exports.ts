import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { getAddress, requestExport } from '@lethe/accounts'
import { listExports } from '@lethe/lifecycle'
import { Type } from 'typebox'
import { ownId, sessionOf } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { omitNulls } from '../omit-nulls.ts'
import { ExportState, Id, ShownPassword, Time, UserParams } from './schemas.ts'

const ExportRequest = Type.Object(
  { password: Type.Optional(ShownPassword) },
  { additionalProperties: false },
)
const Own = Type.Object({
  id: Id,
  status: ExportState,
  requestedAt: Time,
  createdAt: Type.Optional(Time),
  expiresAt: Type.Optional(Time),
  bytes: Type.Optional(Type.Integer()),
  downloads: Type.Integer(),
  downloadedAt: Type.Optional(Time),
})

const EXPORTS_PER_DAY = 5

/** Archives of the caller's own data, without a deletion (GDPR Art. 15 and 20). */
export const ownExportRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { db, keys, hasher, config, auth, consumePasswordLimit } = deps

  app.post(
    '/v1/users/:userId/exports',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'Ask for an archive of your data. A mail brings its link; we make one at a time',
        params: UserParams,
        body: Type.Union([ExportRequest, Type.Null()]),
        response: { 202: Type.Object({ export: Own }) },
      },
    },
    async (request, reply) => {
      ownId(request)
      const session = sessionOf(request)
      const password = request.body?.password
      if (password !== undefined) await consumePasswordLimit(request, await getAddress(db, session))
      const requested = await requestExport(db, keys, hasher, session, password, {
        reauthenticationWindow: config.reauthenticationWindow.iso,
        perDay: config.rateLimits ? EXPORTS_PER_DAY : Number.POSITIVE_INFINITY,
      })
      reply.code(202)
      return { export: omitNulls(requested) }
    },
  )

  app.get(
    '/v1/users/:userId/exports',
    {
      onRequest: auth.authenticate,
      schema: {
        summary: 'The archives that you asked for, the latest first',
        params: UserParams,
        response: { 200: Type.Object({ exports: Type.Array(Own) }) },
      },
    },
    async (request) => ({ exports: (await listExports(db, ownId(request))).map(omitNulls) }),
  )
}
