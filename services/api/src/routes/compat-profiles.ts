import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { bearerToken } from '../cross-site.ts'
import type { RouteDeps } from '../deps.ts'
import { logProblem } from '../error-replies.ts'
import { handleDeletionRequest } from '../handle-deletion-request.ts'
import { ignoreBodies } from '../ignored-bodies.ts'
import { type Problem, problem, toProblem } from '../problems.ts'
import { parseUserId } from '../user-id.ts'
import { NoContent } from './schemas.ts'

/** `DELETE /api/profile/{user_id}/delete/` as its document specifies it: a Bearer token, any body or none, 204. */
export const compatProfileRoutes: FastifyPluginAsync<RouteDeps> = async (app, deps) => {
  ignoreBodies(app)
  app.setErrorHandler((error, request, reply) => {
    const found = toProblem(error)
    logProblem(request, found, error)
    return reply.code(found.body.status).headers(found.headers).send(errorBody(found, request))
  })

  for (const url of ['/api/profile/:userId/delete', '/api/profile/:userId/delete/'])
    app.delete<{ Params: { userId: string } }>(
      url,
      {
        onRequest: deps.auth.authenticateByToken,
        schema: {
          summary: 'Delete the account, for clients of the older document',
          tags: ['compatibility'],
          response: { 204: NoContent },
        },
      },
      async (request, reply) => {
        const userId = parseUserId(request.params.userId)
        if (userId === undefined) throw problem('user-not-found')
        await handleDeletionRequest(deps, request, reply, { userId })
        return reply.code(204).send()
      },
    )
}

function errorBody({ code, body }: Problem, request: FastifyRequest): object {
  if (body.status === 401)
    return {
      detail: bearerToken(request)
        ? 'The access token is invalid or has expired, or its session has ended.'
        : 'Authentication credentials were not provided.',
    }
  if (body.status === 404) return { detail: 'Not found.' }
  return { error: code === 'not-authorized' ? 'Not authorized' : body.title }
}
