import { open } from 'node:fs/promises'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AccountError, detectImageType, findAvatar, putAvatar, removeAvatar } from '@lethe/accounts'
import { Type } from 'typebox'
import { ownId } from '../auth.ts'
import type { RouteDeps } from '../deps.ts'
import { replyWithProblem } from '../error-replies.ts'
import { ProblemError, problem, toProblem } from '../problems.ts'
import { NoContent, UserParams } from './schemas.ts'

const types = ['image/png', 'image/jpeg', 'image/webp']
// For the documentation only; the handler checks the bytes.
const Image = Type.Unsafe<unknown>({ description: 'The image itself' })
const MAX_BYTES = 2 * 1024 * 1024

const wrongType = () =>
  problem('unsupported-media-type', {
    detail:
      'Send a PNG, JPEG or WebP image, with an image type such as image/png in the Content-Type header.',
  })
const wrongBytes = () =>
  problem('unsupported-media-type', {
    detail:
      'This file is not a PNG, JPEG or WebP image. Send an image of one of these three types.',
  })

export const avatarRoutes: FastifyPluginAsyncTypebox<RouteDeps> = async (
  app,
  { db, config, auth, folders },
) => {
  // The bytes decide the type, not the header: clients also send image/jpg, image/pjpeg or image/x-png.
  app.addContentTypeParser(
    /^image\//i,
    { parseAs: 'buffer', bodyLimit: MAX_BYTES },
    (_request, body, done) => done(null, body),
  )

  /** The erasure would miss an avatar in a folder of another database. */
  const requireOwnFolders = async () => {
    const detail = await folders.findProblem()
    if (detail !== undefined) throw problem('unavailable', { detail })
  }

  app.put(
    '/v1/users/:userId/avatar',
    {
      onRequest: [auth.authenticate, requireOwnFolders],
      bodyLimit: MAX_BYTES,
      // Fastify rejects the type of a body before the handler runs; replace its problem with one that lists the image types.
      errorHandler: (error, request, reply) => {
        const isWrongType =
          !(error instanceof ProblemError) && toProblem(error).code === 'unsupported-media-type'
        return replyWithProblem(isWrongType ? wrongType() : error, request, reply)
      },
      schema: {
        summary: 'Upload your avatar: PNG, JPEG or WebP, up to 2 MiB',
        params: UserParams,
        body: { content: Object.fromEntries(types.map((type) => [type, { schema: Image }])) },
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      const userId = ownId(request)
      const { body } = request
      if (!Buffer.isBuffer(body)) throw wrongType()
      const type = detectImageType(body)
      if (type === undefined) throw wrongBytes()
      await putAvatar(db, config.uploadDir, userId, { type, body })
      return reply.code(204).send()
    },
  )

  app.route({
    url: '/v1/users/:userId/avatar',
    method: ['GET', 'HEAD'],
    onRequest: auth.authenticate,
    schema: { summary: 'Your avatar', params: UserParams },
    handler: async (request, reply) => {
      const { path, type, bytes } = await findAvatar(db, config.uploadDir, ownId(request))
      reply.type(type).header('content-length', bytes)
      if (request.method === 'HEAD') return reply.send()
      const file = await open(path).catch(() => {
        throw new AccountError('avatar-not-found')
      })
      return reply.send(file.createReadStream())
    },
  })

  app.delete(
    '/v1/users/:userId/avatar',
    {
      onRequest: [auth.authenticate, requireOwnFolders],
      schema: {
        summary: 'Remove your avatar',
        params: UserParams,
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await removeAvatar(db, config.uploadDir, ownId(request))
      return reply.code(204).send()
    },
  )
}
