import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { allowedMethods } from './allowed-methods.ts'
import type { ProblemCode } from './problem-types.ts'
import { type Problem, ProblemError, problem, toProblem } from './problems.ts'

const MEDIA_TYPE = 'application/problem+json'

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
  const found = toProblem(error)
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

const byParserCode: Record<string, ProblemCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload-too-large',
}

const answering = new WeakSet<Socket>()

/** Notes on which connections an answer is under way: nothing else may be written there. */
export function watchAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw }) => {
    answering.add(raw.socket)
  })
  app.addHook('onResponse', async ({ raw }) => {
    answering.delete(raw.socket)
  })
}

/** What Node's HTTP parser refuses never becomes a request; the answer is written by hand. */
export function answerBadHttp(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || answering.has(socket)) {
    socket.destroy()
    return
  }
  const { body } = toProblem(problem(byParserCode[error.code] ?? 'bad-request'))
  const text = JSON.stringify(body)
  socket.end(
    [
      `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`,
      'Connection: close',
      'Cache-Control: no-store',
      `Content-Type: ${MEDIA_TYPE}`,
      `Content-Length: ${Buffer.byteLength(text)}`,
      '',
      text,
    ].join('\r\n'),
  )
}
