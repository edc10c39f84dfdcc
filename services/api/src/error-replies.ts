import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { allowedMethods } from './allowed-methods.ts'
import { MEDIA_TYPE, type Problem, ProblemError, problem, toProblem } from './problems.ts'

/** Every error that reaches a route, and every request that reaches none, leaves as a problem (RFC 9457). */
export function replyToErrors(app: FastifyInstance): void {
  const methodsOf = allowedMethods(app)
  app.setErrorHandler(replyWithProblem)
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.raw.url ?? '')
    // A route that itself found nothing comes here too.
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

/** Fastify's `frameworkErrors` too: those come before routing and pass by the error handler. */
export function replyWithProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const found = toProblem(error, request.body)
  logProblem(request, found, error)
  // What is left of too large a body is read and dropped: closing now would cut off many clients before the answer.
  if (found.code === 'payload-too-large') reply.removeHeader('connection')
  return reply
    .code(found.body.status)
    .headers(found.headers)
    .type(MEDIA_TYPE)
    .send(JSON.stringify(found.body))
}

/** Failures once, with their stack; refusals only where somebody looks for them. */
export function logProblem(request: FastifyRequest, { code, body }: Problem, error: unknown): void {
  if (code === 'internal') request.log.error({ err: error }, 'request.failed')
  else if (error instanceof ProblemError && body.status >= 500)
    request.log.warn({ problem: code, detail: body.detail }, 'request.failed')
  else if (body.status >= 500) request.log.warn({ problem: code, err: error }, 'request.failed')
  else request.log.debug({ problem: code }, 'request.refused')
}
