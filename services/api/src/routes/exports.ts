import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findArchive, findExportOwner, openExport, openVault } from '@lethe/accounts'
import { openArchive } from '@lethe/exports'
import { Type } from 'typebox'
import type { RouteDeps } from '../deps.ts'
import { downloadTickets } from '../download-tickets.ts'
import { passwordsCsv } from '../passwords-csv.ts'
import { problem } from '../problems.ts'
import { requestedRange } from '../requested-range.ts'
import { LinkToken, ShownPassword, Time } from './schemas.ts'

const Opened = Type.Object({
  export: Type.Object({
    bytes: Type.Integer(),
    createdAt: Time,
    expiresAt: Time,
    sha256: Type.String({ description: 'Of the whole archive, hexadecimal' }),
  }),
})
const VaultKey = Type.Object(
  { ...LinkToken.properties, password: ShownPassword },
  { additionalProperties: false },
)

export const exportRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { db, keys, hasher, config, spend, spendPassword } = deps
  const tickets = downloadTickets(app, deps)

  app.post(
    '/v1/exports/open',
    {
      schema: {
        summary: 'Open the export with the token from the mail; sets a ten-minute cookie',
        body: LinkToken,
        response: { 200: Opened },
      },
    },
    async (request, reply) => {
      await spend(request, 'linkPerCaller')
      const { exportId, bytes, createdAt, expiresAt, sha256 } = await openExport(
        db,
        request.body.token,
      )
      await tickets.give(reply, exportId)
      return { export: { bytes, createdAt, expiresAt, sha256: sha256.toString('hex') } }
    },
  )

  app.route({
    url: '/v1/exports/archive',
    // HEAD on its own: as Fastify derives it from GET, it would read the whole archive for nothing.
    method: ['GET', 'HEAD'],
    onRequest: tickets.ask,
    schema: { summary: 'The archive, with the cookie of `open`' },
    handler: async (request, reply) => {
      const { fileName, bytes, sha256, createdAt } = await findArchive(
        db,
        tickets.exportIdOf(request),
      )
      const etag = `"${sha256.toString('hex')}"`
      const range = requestedRange(request.headers, bytes, etag)
      if (range === 'unsatisfiable')
        throw problem('range-not-satisfiable', { headers: { 'content-range': `bytes */${bytes}` } })
      if (range) {
        reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${bytes}`)
      }
      const length = range ? range.end - range.start + 1 : bytes
      const day = createdAt.toISOString().slice(0, 10)
      reply
        .headers({ etag, 'accept-ranges': 'bytes', 'content-length': length })
        .header('content-disposition', `attachment; filename="account-export-${day}.zip"`)
        .type('application/zip')
      if (request.method === 'HEAD') return reply.send()
      const archive = await openArchive(config.exportDir, fileName, range)
      if (!archive) throw problem('export-gone')
      return reply.send(archive.stream)
    },
  })

  app.post(
    '/v1/exports/passwords',
    {
      schema: {
        summary: 'The saved passwords in clear, as the CSV that password managers import',
        body: VaultKey,
      },
    },
    async (request, reply) => {
      await spend(request, 'linkPerCaller')
      const { token, password } = request.body
      const owner = await findExportOwner(db, token)
      await spendPassword(request, owner.email)
      const saved = await openVault(db, keys, hasher, owner, password)
      return reply
        .header('content-disposition', 'attachment; filename="saved-passwords.csv"')
        .type('text/csv; charset=utf-8')
        .send(passwordsCsv(saved))
    },
  )
}
