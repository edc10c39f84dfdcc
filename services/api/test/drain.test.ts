import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import {
  holdsWithin,
  measureSlowness,
  type Stopwatch,
  startStopwatch,
  until,
} from '@lethe/machine-speed'
import t, { type Test } from 'tap'
import { testApp } from './test-app.ts'

/** Long enough for a few requests on this machine. */
const LINGER_MS = 700 * (await measureSlowness())

t.test(
  'who is connected when it stops is answered, and told which answer was the last',
  async (t) => {
    const { ask, isLetIn, untilShut, close } = await listening(t)
    t.equal((await ask('/healthz')).headers.connection, 'keep-alive')
    const closed = close()
    const notReady = await ask('/readyz')
    t.equal(notReady.statusCode, 503)
    t.match(await json(notReady), { type: '/problems/unavailable', detail: 'The API is stopping.' })
    t.not(notReady.headers.connection, 'close', 'nobody has to connect anew meanwhile')
    t.ok(await isLetIn())
    await untilShut()
    const last = await ask('/healthz')
    t.strictSame([last.statusCode, last.headers.connection], [200, 'close'])
    t.ok((await closed).ms >= LINGER_MS - 50, 'time to be noticed')
  },
)

t.test('an idle keep-alive connection has twice as long for one more request', async (t) => {
  const { close, open } = await listening(t)
  const kept = await open()
  kept.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await answerOn(kept)
  t.ok((await close()).ms >= 3 * LINGER_MS - 50)
})

t.test('without connections the API closes at once', async (t) => {
  const { close } = await listening(t)
  const { watch } = await close()
  await holdsWithin(t, watch, LINGER_MS, 'at once')
})

t.test('a connection without any request does not delay the close', async (t) => {
  const { close, open } = await listening(t)
  const ended = once(await open(), 'close')
  const { watch } = await close()
  await holdsWithin(t, watch, 3 * LINGER_MS + 3_000, 'it ends')
  await ended
})

t.test('keeps a connection open while the body of a rejected request is arriving', async (t) => {
  const { untilShut, close, open } = await listening(t)
  const socket = await open()
  const closed = close()
  await untilShut()
  const head =
    'POST /v1/users/1/passwords HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  socket.write(`${head}Content-Length: 4\r\n\r\n{}`)
  const refused = await answerOn(socket)
  t.match(refused, /^HTTP\/1\.1 401 /)
  t.notMatch(refused, /connection: close/i)
  socket.write('  GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  const last = await answerOn(socket)
  t.match(last, /^HTTP\/1\.1 200 /)
  t.match(last, /connection: close/i)
  await closed
})

async function listening(t: Test) {
  const { app } = await testApp(t, { lingerMs: LINGER_MS })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const isLetIn = () =>
    fetch(`${address}/healthz`, { headers: { connection: 'close' } }).then(
      ({ status }) => status === 200,
      () => false,
    )
  return {
    isLetIn,
    async untilShut() {
      await until('nobody is let in', async () => !(await isLetIn()))
    },
    /** Sends a request on a keep-alive connection. */
    async ask(path: string): Promise<IncomingMessage> {
      const [response] = await once(get(address + path, { agent }), 'response')
      // Read the body to its end, so that the connection is free for the next request.
      if (path === '/healthz') response.resume()
      return response
    },
    async open(): Promise<Socket> {
      const accepted = once(app.server, 'connection')
      const socket = connect(Number(new URL(address).port), '127.0.0.1')
      t.teardown(() => socket.destroy())
      await accepted
      return socket
    },
    /** How many milliseconds the close took, and the bound for them. */
    async close(): Promise<{ ms: number; watch: Stopwatch }> {
      const watch = startStopwatch()
      await app.close()
      return { ms: watch.ms(), watch }
    },
  }
}

async function answerOn(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data')
  return String(chunk)
}
