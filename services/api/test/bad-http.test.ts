import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { testApp } from './test-app.ts'

t.test('what is not even HTTP gets a problem too, on a real socket', async (t) => {
  const { app } = await testApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const host = 'Host: localhost\r\n'
  for (const [claim, request, status, code] of [
    ['a line that is no request', 'hunter2\r\n\r\n', 400, 'bad-request'],
    ['a method that does not exist', `HUNTER2 / HTTP/1.1\r\n${host}\r\n`, 400, 'bad-request'],
    ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'bad-request'],
    ['a header without a name', `GET / HTTP/1.1\r\n${host}: hunter2\r\n\r\n`, 400, 'bad-request'],
    [
      'two lengths',
      `POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
      'bad-request',
    ],
    [
      'a negative length',
      `POST / HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
      400,
      'bad-request',
    ],
    [
      'headers without end',
      `GET / HTTP/1.1\r\n${host}X: ${'hunter2'.repeat(4_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'a path without end',
      `GET /${'hunter2'.repeat(4_000)} HTTP/1.1\r\n${host}\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'an expectation',
      `POST /x HTTP/1.1\r\n${host}Expect: hunter2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      417,
      'expectation-failed',
    ],
    ['a raw NUL in the path', `GET /\0 HTTP/1.1\r\n${host}\r\n`, 400, 'bad-request'],
  ] as const) {
    const socket = connect(port, '127.0.0.1')
    socket.write(request)
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `), claim)
    t.match(head, /^content-type: application\/problem\+json/im, claim)
    t.match(JSON.parse(body), { type: `/problems/${code}`, status }, claim)
    t.notMatch(head + body, /hunter2/i, claim)
  }
})

t.test('whoever sends 10 MB reads the refusal', async (t) => {
  const { app } = await testApp(t, {
    routes: async (app) => {
      app.post('/things', async () => 'never')
    },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const megabyte = new Uint8Array(1_000_000).fill(97)
  const whole = new Uint8Array(10_000_000).fill(97)
  const stream = () =>
    new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < 10; sent++) controller.enqueue(megabyte)
        controller.close()
      },
    })
  const headers = { 'content-type': 'application/json' }
  for (const body of [whole, stream()]) {
    const response = await fetch(`${url}/things`, {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    } as RequestInit)
    t.equal(response.status, 413)
    t.match(await response.json(), { type: '/problems/payload-too-large' })
  }
})

t.test('so does a client that listens only after it has sent everything', async (t) => {
  const { app } = await testApp(t, {
    routes: async (app) => {
      app.post('/things', async () => 'never')
    },
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n')
  socket.write('Content-Length: 10000000\r\n\r\n')
  await new Promise((resolve) => socket.write(new Uint8Array(10_000_000), resolve))
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1.1 413 /)
})

t.test('a client that goes away in the middle harms nobody', async (t) => {
  const { app } = await testApp(t, {
    routes: async (app) => {
      app.post('/things', async () => 'never')
    },
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const received = once(app.server, 'request')
  socket.write(
    'POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  const [request] = await received
  socket.resetAndDestroy()
  await new Promise((resolve) => request.once('close', resolve))
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
})

t.test('a connection that was answered before gets its refusal too', async (t) => {
  const { app } = await testApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) {
    answer += chunk
    if (answer.endsWith('{"status":"ok"}')) socket.write('garbage\r\n\r\n')
  }
  t.match(answer, /\{"status":"ok"\}HTTP\/1\.1 400 Bad Request\r\n/)
})
