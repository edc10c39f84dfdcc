import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findExportOwner, openVault } from '@lethe/accounts'
import { ArchiveDamagedError, openArchive } from '@lethe/archive'
import {
  destroyExport,
  findArchive,
  handleMissingArchive,
  openExport,
  type ReadyArchive,
  recordDownload,
} from '@lethe/lifecycle'
import type { FastifyBaseLogger } from 'fastify'
import { Type } from 'typebox'
import type { RouteDeps } from '../deps.ts'
import { downloadTickets } from '../download-tickets.ts'
import { omitNulls } from '../omit-nulls.ts'
import { passwordsCsv } from '../passwords-csv.ts'
import { problem } from '../problems.ts'
import { removeArchive } from '../remove-archive.ts'
import { requestedRange } from '../requested-range.ts'
import { Id, LinkToken, ShownPassword, Time } from './schemas.ts'

const Opened = Type.Object({
  export: Type.Object({
    bytes: Type.Integer(),
    createdAt: Time,
    expiresAt: Time,
    sha256: Type.String({ description: 'Of the whole archive, hexadecimal' }),
    downloads: Type.Integer({
      description: 'How often it was downloaded, counted once for each time that it was opened',
    }),
    downloadedAt: Type.Optional(Time),
    opensVault: Type.Boolean({
      description: 'Whether the saved passwords can be downloaded with its token and the password',
    }),
  }),
})
const Destroyed = Type.Object({
  export: Type.Object({ id: Id, status: Type.Literal('withdrawn') }),
})
const VaultKey = Type.Object(
  { ...LinkToken.properties, password: ShownPassword },
  { additionalProperties: false },
)

export const exportRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (app, deps) => {
  const { db, keys, hasher, storage, consumeLimit, consumePasswordLimit } = deps
  const tickets = downloadTickets(app, deps)

  app.post(
    '/v1/exports/open',
    {
      schema: {
        summary:
          'Open the export with the token from the mail; sets a cookie that downloads the archive for a day',
        body: LinkToken,
        response: { 200: Opened },
      },
    },
    async (request, reply) => {
      await consumeLimit(request, 'linkPerCaller')
      const archive = await openExport(db, keys, request.body.token)
      await tickets.issue(reply, archive)
      const { exportId, fileName, key, sha256, ...facts } = archive
      return { export: { ...omitNulls(facts), sha256: sha256.toString('hex') } }
    },
  )

  app.route({
    url: '/v1/exports/archive',
    // A HEAD route of its own: the one that Fastify derives from GET would read the whole archive.
    method: ['GET', 'HEAD'],
    onRequest: tickets.require,
    schema: { summary: 'Download the archive, with the cookie that `open` sets' },
    handler: async (request, reply) => {
      const archive = await findArchive(db, keys, tickets.get(request).exportId)
      const { bytes, sha256, createdAt } = archive
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
      await recordDownload(db, archive.exportId, tickets.get(request).id)
      const opened = await openArchive(storage, archive, range).catch((error) => {
        throw error instanceof ArchiveDamagedError ? problem('export-damaged') : error
      })
      if (!opened) throw await reportMissing(archive, request.log)
      return reply.send(opened.stream)
    },
  })

  /** Reports a lost archive file. While the deletion is pending, the worker makes the file again and the link stays valid. */
  async function reportMissing({ exportId, fileName }: ReadyArchive, log: FastifyBaseLogger) {
    if ((await deps.folders.findProblem()) !== undefined) return problem('unavailable')
    const isMadeAgain = await handleMissingArchive(db, exportId, fileName)
    log.error({ export: exportId, isMadeAgain }, 'archive.missing')
    return problem(isMadeAgain ? 'export-not-ready' : 'export-gone')
  }

  app.post(
    '/v1/exports/destroy',
    {
      schema: {
        summary: 'Destroy the export with the token from the mail, before it expires',
        body: LinkToken,
        response: { 200: Destroyed },
      },
    },
    async (request) => {
      await consumeLimit(request, 'linkPerCaller')
      const { exportId, fileName } = await destroyExport(db, keys, request.body.token)
      await removeArchive(deps, { exportId, fileName }, request.log)
      return { export: { id: exportId, status: 'withdrawn' as const } }
    },
  )

  app.post(
    '/v1/exports/passwords',
    {
      schema: {
        summary: 'The saved passwords in clear, as the CSV that password managers import',
        body: VaultKey,
      },
    },
    async (request, reply) => {
      await consumeLimit(request, 'linkPerCaller')
      const { token, password } = request.body
      const owner = await findExportOwner(db, token)
      await consumePasswordLimit(request, owner.email)
      const saved = await openVault(db, keys, hasher, owner, password)
      return reply
        .header('content-disposition', 'attachment; filename="saved-passwords.csv"')
        .type('text/csv; charset=utf-8')
        .send(passwordsCsv(saved))
    },
  )
}
