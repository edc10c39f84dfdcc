import { STATUS_CODES } from 'node:http'
import type { FastifyPluginAsync } from 'fastify'
import type { RouteDeps } from '../deps.ts'
import { logProblem } from '../error-replies.ts'
import { handleDeletionRequest, maskAsNotFound } from '../handle-deletion-request.ts'
import { ignoreBodies } from '../ignored-bodies.ts'
import { type Problem, problem, toProblem } from '../problems.ts'
import { parseUserId } from '../user-id.ts'

/** `DELETE /api/users/{user_id}` as its document specifies it: cookie, no body, `true`, errors in their own shape. */
export const compatUserRoutes: FastifyPluginAsync<RouteDeps> = async (app, deps) => {
  ignoreBodies(app)
  app.setErrorHandler((error, request, reply) => {
    const found = toProblem(error)
    logProblem(request, found, error)
    return reply
      .code(found.body.status)
      .headers(found.headers)
      .send({
        statusCode: found.body.status,
        statusMessage: STATUS_CODES[found.body.status],
        data: { message: messageOf(found) },
      })
  })

  app.delete<{ Params: { userId: string } }>(
    '/api/users/:userId',
    {
      onRequest: deps.auth.authenticate,
      schema: {
        summary: 'Delete the account, for clients of the older document',
        tags: ['compatibility'],
      },
    },
    async (request, reply) => {
      const userId = parseUserId(request.params.userId)
      if (userId === undefined) throw problem('invalid-request')
      await handleDeletionRequest(deps, request, reply, { userId }).catch(maskAsNotFound)
      return reply.type('application/json').send('true')
    },
  )
}

function messageOf({ code, body }: Problem): string {
  if (code === 'invalid-request') return 'Invalid user ID format'
  if (code === 'user-not-found') return 'User not found'
  return body.title
}
