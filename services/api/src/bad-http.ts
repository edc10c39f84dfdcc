import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance } from 'fastify'
import type { ProblemCode } from './problem-types.ts'
import { MEDIA_TYPE, problem, toProblem } from './problems.ts'

/** A rejected client may go on sending this long: closing earlier would reset the connection and lose the answer. */
const LINGER_MS = 5_000

const byParserCode: Record<string, ProblemCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload-too-large',
}

interface Connection {
  /** The latest request, answered or not: bytes that the parser rejects may belong to its body. */
  last: { request: IncomingMessage; response: ServerResponse }
  /** Responses that are not sent yet. A client may pipeline its next request before. */
  unanswered: Set<ServerResponse>
}

const connections = new WeakMap<Socket, Connection>()
const refused = new WeakSet<Socket>()
/** Requests whose body can never be complete, with the problem code. */
const broken = new WeakMap<IncomingMessage, ProblemCode>()

/** Together with `answerBadHttp`, sends exactly one answer to each request that is not valid HTTP. */
export function watchRequests(app: FastifyInstance): void {
  for (const event of ['request', 'checkExpectation'])
    app.server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request
      const unanswered = connections.get(socket)?.unanswered ?? new Set()
      connections.set(socket, { last: { request, response }, unanswered: unanswered.add(response) })
      response.once('close', () => unanswered.delete(response))
    })

  app.addHook('onRequest', async ({ raw }, reply) => {
    if (isAmbiguous(raw)) {
      reply.header('connection', 'close')
      throw problem('bad-request')
    }
  })
  // The parser rejected the body before its route began to read it.
  app.addHook('preParsing', async ({ raw }) => {
    const code = broken.get(raw)
    if (code !== undefined) throw problem(code)
  })
  app.addHook('onSend', async ({ raw }, reply) => {
    if (broken.has(raw)) reply.header('connection', 'close')
  })
}

/** Handles Node's `clientError`: input that its parser rejects, and a request that takes too long to arrive. */
export function answerBadHttp(error: ConnectionError, socket: Socket): void {
  // After the first error the parser rejects all further input too; drop it until the connection ends.
  if (refused.has(socket) && error.code !== 'ECONNRESET') return
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  refused.add(socket)
  const code = byParserCode[error.code] ?? 'bad-request'
  const connection = connections.get(socket)
  if (connection?.last.request.complete === false) breakRequest(socket, connection, code)
  else void afterAnswers(connection, () => end(socket, answerTo(code)))
}

/** The rejected bytes belong to a request's body, so the response to that request is the only answer. */
function breakRequest(socket: Socket, connection: Connection, code: ProblemCode): void {
  const { request, response } = connection.last
  if (response.headersSent) void afterAnswers(connection, () => end(socket))
  else {
    broken.set(request, code)
    // A route that is reading the body answers in its own error shape. Without a listener it has not begun to read.
    if (request.listenerCount('error') > 0) request.emit('error', problem(code))
  }
}

/**
 * Whether two proxies could read the request with different lengths or for different hosts (RFC 9112 §3.2, §6.1). Node
 * uses the first of two Host headers, and accepts any Transfer-Encoding that ends in chunked.
 */
function isAmbiguous({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  const isHttp10OrOlder = httpVersion === '1.0' || httpVersion === '0.9'
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length > 1 || (hosts.length === 0 && !isHttp10OrOlder)) return true
  if (!hostAndPort.test(headers.host ?? '')) return true
  const coding = headers['transfer-encoding']
  return coding !== undefined && (isHttp10OrOlder || coding.toLowerCase() !== 'chunked')
}

/** RFC 3986 §3.2.2, but for the empty host, which only HTTP/1.0 may have. */
const hostAndPort = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i

async function afterAnswers(connection: Connection | undefined, then: () => void): Promise<void> {
  const unanswered = [...(connection?.unanswered ?? [])]
  await Promise.all(unanswered.map((response) => once(response, 'close')))
  then()
}

function end(socket: Socket, text = ''): void {
  if (socket.writable) socket.end(text)
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** The answer as raw HTTP: without a parsed request there is no `ServerResponse`. */
function answerTo(code: ProblemCode): string {
  const { body } = toProblem(problem(code))
  const text = JSON.stringify(body)
  return [
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`,
    'Connection: close',
    'Cache-Control: no-store',
    `Content-Type: ${MEDIA_TYPE}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    '',
    text,
  ].join('\r\n')
}
