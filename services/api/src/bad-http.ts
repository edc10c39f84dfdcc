import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyInstance } from 'fastify'
import type { ProblemCode } from './problem-types.ts'
import { MEDIA_TYPE, problem, toProblem } from './problems.ts'

/** How long a refused client may go on sending, so that a reset does not take the answer from it, milliseconds. */
const LINGER_MS = 5_000

const byParserCode: Record<string, ProblemCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload-too-large',
}

interface Connection {
  /** The latest request, answered or not: bytes that the parser refuses may belong to its body. */
  last: { request: IncomingMessage; response: ServerResponse }
  /** Answers that have not left yet. Clients may send the next request before. */
  unanswered: Set<ServerResponse>
}

const connections = new WeakMap<Socket, Connection>()
const refused = new WeakSet<Socket>()
/** Requests whose body can never be whole, and why. */
const broken = new WeakMap<IncomingMessage, ProblemCode>()

/** Gives one answer to each request that is not valid HTTP, together with `answerBadHttp`. */
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
  // The body broke before its route began to read it.
  app.addHook('preParsing', async ({ raw }) => {
    const code = broken.get(raw)
    if (code !== undefined) throw problem(code)
  })
  app.addHook('onSend', async ({ raw }, reply) => {
    if (broken.has(raw)) reply.header('connection', 'close')
  })
}

/** Node's `clientError`: what its parser refuses, and a request that takes too long to arrive. */
export function answerBadHttp(error: ConnectionError, socket: Socket): void {
  // The parser refuses whatever comes after the first fault as well: it is dropped until the connection ends.
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

/** The bytes belong to the body of a request, so its answer is the only one. */
function breakRequest(socket: Socket, connection: Connection, code: ProblemCode): void {
  const { request, response } = connection.last
  if (response.headersSent) void afterAnswers(connection, () => end(socket))
  else {
    broken.set(request, code)
    // The route that reads the body answers, in its own shape. Without a listener it has not begun to read.
    if (request.listenerCount('error') > 0) request.emit('error', problem(code))
  }
}

/**
 * Two proxies could read it as requests of different lengths or for different hosts (RFC 9112 §3.2, §6.1). Node takes the
 * first of two Host headers, and any Transfer-Encoding that ends in chunked.
 */
function isAmbiguous({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  const isOld = httpVersion === '1.0' || httpVersion === '0.9'
  const hosts = rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'host')
  if (hosts.length > 1 || (hosts.length === 0 && !isOld)) return true
  if (!hostAndPort.test(headers.host ?? '')) return true
  const coding = headers['transfer-encoding']
  return coding !== undefined && (isOld || coding.toLowerCase() !== 'chunked')
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

/** Written by hand: without a request there is no response to write it with. */
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
