import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { createApiUser } from './person.ts'
import { testApp } from './test-app.ts'

t.test('answers input that is not HTTP with a problem, on a real socket', async (t) => {
  const { app } = await testApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const host = 'Host: localhost\r\n'
  const post = `POST /v1/sessions HTTP/1.1\r\n${host}Content-Type: application/json\r\n`
  const coded = (coding: string) => `Transfer-Encoding: ${coding}\r\n\r\n`
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
    ['two Hosts', `GET /healthz HTTP/1.1\r\n${host}Host: hunter2\r\n\r\n`, 400, 'bad-request'],
    ['one Host twice', `GET /healthz HTTP/1.1\r\n${host}${host}\r\n`, 400, 'bad-request'],
    ['two Hosts in HTTP/1.0', `GET / HTTP/1.0\r\n${host}hOST: b\r\n\r\n`, 400, 'bad-request'],
    ['a list of Hosts', 'GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n', 400, 'bad-request'],
    ['a Host with a path', 'GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'bad-request'],
    ['a folded header', `GET / HTTP/1.1\r\n${host}X: a\r\n hunter2\r\n\r\n`, 400, 'bad-request'],
    ['a bare CR', `GET / HTTP/1.1\r\n${host}X: a\rhunter2\r\n\r\n`, 400, 'bad-request'],
    ['a blank before the colon', `GET / HTTP/1.1\r\n${host}X : a\r\n\r\n`, 400, 'bad-request'],
    ['a length that is a word', `${post}Content-Length: a\r\n\r\n`, 400, 'bad-request'],
    ['two other lengths', `${post}${'Content-Length: 2\r\n'.repeat(2)}\r\n{}`, 400, 'bad-request'],
    ['a list of lengths', `${post}Content-Length: 2, 2\r\n\r\n{}`, 400, 'bad-request'],
    ['a length beyond all', `${post}Content-Length: ${'9'.repeat(30)}\r\n\r\n`, 400, 'bad-request'],
    ['a coding besides chunked', `${post}${coded('gzip, chunked')}0\r\n\r\n`, 400, 'bad-request'],
    ['chunked not last', `${post}${coded('chunked, gzip')}0\r\n\r\n`, 400, 'bad-request'],
    ['another coding', `${post}${coded('identity')}{}`, 400, 'bad-request'],
    ['chunks in HTTP/1.0', `POST /x HTTP/1.0\r\n${coded('chunked')}0\r\n\r\n`, 400, 'bad-request'],
    ['a bad chunk', `${post}${coded('chunked')}hunter2\r\n`, 400, 'bad-request'],
    [
      'a bad chunk with a GET',
      `GET / HTTP/1.1\r\n${host}${coded('chunked')}zz\r\n`,
      400,
      'bad-request',
    ],
    ['a chunk beyond all', `${post}${coded('chunked')}${'f'.repeat(20)}\r\n`, 400, 'bad-request'],
    ['a chunk without its end', `${post}${coded('chunked')}2\r\n{}hunter2`, 400, 'bad-request'],
    [
      'a chunk extension without end',
      `${post}${coded('chunked')}2;${'hunter2'.repeat(4_000)}\r\n{}\r\n`,
      413,
      'payload-too-large',
    ],
    [
      'a trailer without end',
      `${post}${coded('chunked')}0\r\nX: ${'hunter2'.repeat(4_000)}\r\n`,
      431,
      'headers-too-large',
    ],
    ['the start of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad-request'],
    ['the start of TLS', '\x16\x03\x01\x00\xa5\x01\x00\x00', 400, 'bad-request'],
  ] as const) {
    const socket = connect(port, '127.0.0.1')
    socket.write(request)
    const answer = await text(socket)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, `${claim} is answered once`)
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `), claim)
    t.match(head, /^content-type: application\/problem\+json/im, claim)
    t.match(JSON.parse(body), { type: `/problems/${code}`, status }, claim)
    t.notMatch(head + body, /hunter2/i, claim)
  }
})

t.test('a client that sends 10 MB can read the 413', async (t) => {
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

t.test('so can a client that reads only after it has sent everything', async (t) => {
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

t.test('a client that disconnects during its request does not affect others', async (t) => {
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

t.test('rejects bad input on a connection that had an answer before', async (t) => {
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

t.test(
  'a body that breaks while its route reads it gets a 400 in the route’s own shape',
  async (t) => {
    const { app } = await testApp(t, { env: { RATE_LIMITS: 'off' } })
    const ada = await createApiUser(app, 'ada@example.com')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const authorization = `Authorization: Bearer ${ada.accessToken}\r\n`
    const chunked = 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}'
    const half = 'Content-Length: 9\r\n\r\n{'
    const json = 'Content-Type: application/json\r\n'
    for (const [line, own] of [
      [`POST /v1/sessions HTTP/1.1\r\n${json}`, { type: '/problems/bad-request' }],
      [`DELETE /v1/users/${ada.id} HTTP/1.1\r\n${json}`, { type: '/problems/bad-request' }],
      [`PUT /v1/users/${ada.id}/avatar HTTP/1.1\r\nContent-Type: image/png\r\n`, { status: 400 }],
      [`DELETE /api/users/${ada.id} HTTP/1.1\r\n`, { statusCode: 400, data: { message: String } }],
      [`DELETE /api/profile/${ada.id}/delete/ HTTP/1.1\r\n`, { error: String }],
    ] as const)
      for (const [claim, body, rest] of [
        ['a bad chunk', chunked, '\r\nhunter2\r\n'],
        ['a chunked body that ends early', chunked, undefined],
        ['a body shorter than its length', half, undefined],
      ] as const) {
        const socket = connectTo(app)
        const reading = untilRead(app)
        socket.write(`${line}Host: localhost\r\n${authorization}${body}`)
        await reading
        if (rest === undefined) socket.end()
        else socket.write(rest)
        const answer = await text(socket)
        t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, `${line}: ${claim}`)
        t.match(answer, /^HTTP\/1\.1 400 /, `${line}: ${claim}`)
        t.match(JSON.parse(answer.split('\r\n\r\n')[1] ?? ''), own, `${line}: ${claim}`)
        t.notMatch(answer, 'hunter2')
      }
    t.equal(
      (await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode,
      200,
      'nothing was deleted',
    )
  },
)

t.test(
  'a body that breaks after its answer ends the connection without a second one',
  async (t) => {
    const { app } = await testApp(t)
    await app.listen({ port: 0, host: '127.0.0.1' })
    for (const [line, status] of [
      ['POST /nowhere HTTP/1.1', 404],
      ['PUT /v1/users/1/avatar HTTP/1.1', 401],
      ['GET /healthz HTTP/1.1', 200],
    ] as const) {
      const socket = connectTo(app)
      socket.write(`${line}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`)
      let answer = ''
      for await (const chunk of socket) {
        if (answer === '') socket.write('hunter2\r\n')
        answer += chunk
      }
      t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), line)
      t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, line)
    }
  },
)

t.test('answers requests that precede garbage before it rejects the garbage', async (t) => {
  const { app } = await testApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connectTo(app)
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  socket.write(`${get('/healthz')}${get('/readyz')}garbage\r\n\r\n`)
  const statuses = [...(await text(socket)).matchAll(/HTTP\/1\.1 (\d+)/g)].map(
    ([, status]) => status,
  )
  t.strictSame(statuses, ['200', '200', '400'])
})

t.test(
  'a body that does not arrive in time gets a 408, and one connection no more than one',
  async (t) => {
    const { app } = await testApp(t)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const accepted = once(app.server, 'connection')
    const reading = untilRead(app)
    const socket = connectTo(app)
    const type = 'Content-Type: application/json\r\n'
    socket.write(
      `POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n${type}Content-Length: 9\r\n\r\n{`,
    )
    const [theirs] = await accepted
    await reading
    const late = Object.assign(new Error('too late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    for (let again = 0; again < 3; again++) app.server.emit('clientError', late, theirs)
    const answer = await text(socket)
    t.match(answer, /^HTTP\/1\.1 408 /)
    t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
  },
)

t.test('a client that keeps sending after garbage can read the 400', async (t) => {
  const { app } = await testApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connectTo(app)
  t.teardown(() => socket.destroy())
  socket.write('garbage\r\n\r\n')
  await new Promise((resolve) => socket.write(new Uint8Array(10_000_000), resolve))
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1.1 400 /)
})

function connectTo(app: FastifyInstance): Socket {
  const { port } = app.server.address() as AddressInfo
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true })
}

/** Waits until the route of the next request has begun to read its body. */
async function untilRead(app: FastifyInstance): Promise<void> {
  const [request] = (await once(app.server, 'request')) as [IncomingMessage]
  while (request.listenerCount('data') === 0) await setImmediate()
}
