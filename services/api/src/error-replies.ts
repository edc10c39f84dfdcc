import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { allowedMethods } from './allowed-methods.ts'
import { MEDIA_TYPE, type Problem, ProblemError, problem, toProblem } from './problems.ts'

/** Answers every error of a route, and every request that matches no route, with a problem (RFC 9457). */
export function replyToErrors(app: FastifyInstance): void {
  const methodsOfUrl = allowedMethods(app)
  app.setErrorHandler(replyWithProblem)
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOfUrl(request.raw.url ?? '')
    // A route that calls `callNotFound` ends here too.
    if (methods.length === 0 || methods.includes(request.method)) throw problem('not-found')
    reply.header('allow', methods.join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    throw problem('method-not-allowed')
  })
  app.server.on('checkExpectation', (_request, response) => {
    const { body } = toProblem(problem('expectation-failed'))
    const text = JSON.stringify(body)
    response.writeHead(body.status, {
      'cache-control': 'no-store',
      'content-type': MEDIA_TYPE,
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  })
}

/** Also serves as Fastify's `frameworkErrors`, which occur before routing and skip the error handler. */
export function replyWithProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const found = toProblem(error, request.body)
  logProblem(request, found, error)
  // Keep the connection and drain the rest of the body: closing now would reset many clients before they read the answer.
  if (found.code === 'payload-too-large') reply.removeHeader('connection')
  return reply
    .code(found.body.status)
    .headers(found.headers)
    .type(MEDIA_TYPE)
    .send(JSON.stringify(found.body))
}

/** Logs a failure once with its stack, and a rejected request at level debug only. */
export function logProblem(request: FastifyRequest, { code, body }: Problem, error: unknown): void {
  if (code === 'internal') request.log.error({ err: error }, 'request.failed')
  else if (error instanceof ProblemError && body.status >= 500)
    request.log.warn({ problem: code, detail: body.detail }, 'request.failed')
  else if (body.status >= 500) request.log.warn({ problem: code, err: error }, 'request.failed')
  else request.log.debug({ problem: code }, 'request.refused')
}
