import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AccountError } from '@lethe/accounts'
import { sql } from 'kysely'
import t from 'tap'
import { Type } from 'typebox'
import { problemTypes } from '../src/problem-types.ts'
import { problem } from '../src/problems.ts'
import { testApp } from './test-app.ts'

const Body = Type.Object(
  {
    name: Type.String({ maxLength: 10 }),
    count: Type.Optional(Type.Integer({ minimum: 1 })),
    more: Type.Optional(Type.Array(Type.Unknown())),
  },
  { additionalProperties: false },
)
const Params = Type.Object({ id: Type.String({ pattern: '^[1-9][0-9]{0,15}$' }) })
const Optional = Type.Object(
  { password: Type.Optional(Type.String()) },
  { additionalProperties: false },
)

const routes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/things', { schema: { body: Body } }, async ({ body }) => ({ body }))
  app.put('/things/:id', { schema: { params: Params, body: Body } }, async () => ({ done: true }))
  app.delete('/things/:id', { schema: { params: Params, body: Optional } }, async ({ body }) => ({
    body,
  }))
  app.delete('/closed/:id', {
    schema: { params: Params, body: Body },
    onRequest: () => {
      throw problem('unauthenticated')
    },
    handler: async () => 'never',
  })
}

const json = { 'content-type': 'application/json' }
const good = JSON.stringify({ name: 'Ada' })

t.test('bad input of every kind gets a clear problem', async (t) => {
  const { app } = await testApp(t, { routes })
  const deep = '['.repeat(30_000) + ']'.repeat(30_000)
  const cases: [
    claim: string,
    request: {
      method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH'
      url: string
      headers?: object
      payload?: string | Buffer
    },
    status: number,
    code: string,
    pointer?: string,
  ][] = [
    ['broken JSON', post('{"name": "hunter2"'), 400, 'malformed-json'],
    [
      'JSON that is not UTF-8',
      post(Buffer.from('{"name":"\xff"}', 'latin1')),
      400,
      'malformed-json',
    ],
    ['a poisoned prototype', post('{"name":"a","__proto__":{"x":1}}'), 400, 'malformed-json'],
    ['a poisoned constructor', post('{"constructor":{"prototype":{}}}'), 400, 'malformed-json'],
    ['no body', { method: 'POST', url: '/things' }, 400, 'invalid-request', '#/name'],
    ['an empty body', post(''), 400, 'invalid-request', '#/name'],
    ['a body of null', post('null'), 400, 'invalid-request', '#'],
    ['a body that is a list', post('[]'), 400, 'invalid-request', '#'],
    ['a member of another type', post('{"name":42}'), 400, 'invalid-request', '#/name'],
    ['a list instead of a text', post('{"name":["a"]}'), 400, 'invalid-request', '#/name'],
    ['a number as a text', post('{"name":"a","count":"1"}'), 400, 'invalid-request', '#/count'],
    ['a number out of range', post('{"name":"a","count":0}'), 400, 'invalid-request', '#/count'],
    ['a number beyond all', post('{"name":"a","count":1e999}'), 400, 'invalid-request', '#/count'],
    ['an unknown member', post('{"name":"a","zip":1}'), 400, 'invalid-request', '#/zip'],
    ['a text too long', post('{"name":"hunter2hunter2"}'), 400, 'invalid-request', '#/name'],
    ['a NUL character', post('{"name":"a\\u0000"}'), 400, 'invalid-request', '#/name'],
    ['half of a surrogate pair', post('{"name":"\\ud83d"}'), 400, 'invalid-request', '#/name'],
    [
      'a NUL deep inside',
      post('{"name":"a","more":[0,{"a/b":["\\u0000"]}]}'),
      400,
      'invalid-request',
      '#/more/1/a~1b/0',
    ],
    ['lists nested deeper than a stack', post(deep), 400, 'invalid-request', '#'],
    [
      'a body of the wrong type',
      post('name=a', 'application/x-www-form-urlencoded'),
      415,
      'unsupported-media-type',
    ],
    ['plain text', post(good, 'text/plain'), 415, 'unsupported-media-type'],
    ['a type that is none', post(good, 'hunter2'), 415, 'unsupported-media-type'],
    [
      'a body without a type',
      { method: 'POST', url: '/things', payload: Buffer.from(good) },
      415,
      'unsupported-media-type',
    ],
    ['10 MB', post(`{"name":"${'a'.repeat(10_000_000)}"}`), 413, 'payload-too-large'],
    ...[
      '0',
      '-1',
      '1e3',
      '01',
      '1.5',
      'abc',
      '99999999999999999',
      '9'.repeat(5_000),
      '%00',
      '%zz',
      '%',
      '1%20',
      '١',
    ].map((id): (typeof cases)[number] => [
      `the id ${id.slice(0, 20)}`,
      { method: 'PUT', url: `/things/${encodeId(id)}`, headers: json, payload: good },
      400,
      'invalid-request',
      '#/id',
    ]),
    ['an unknown path', { method: 'GET', url: '/nowhere' }, 404, 'not-found'],
    ['a very long path', { method: 'GET', url: `/${'a'.repeat(10_000)}` }, 404, 'not-found'],
    ['a path with a stray percent sign', { method: 'GET', url: '/hunter2%zz' }, 404, 'not-found'],
    [
      'a method that the path does not take',
      { method: 'PATCH', url: '/things/1' },
      405,
      'method-not-allowed',
    ],
  ]
  for (const [claim, request, status, code, pointer] of cases) {
    const response = await app.inject(request as object)
    t.equal(response.statusCode, status, claim)
    t.match(response.headers['content-type'], 'application/problem+json', claim)
    t.match(
      response.json(),
      { type: `/problems/${code}`, status, title: problemTypes[code as 'internal'].title },
      claim,
    )
    if (pointer) t.match(response.json().errors, [{ pointer }], claim)
    t.notMatch(response.body, /hunter2|%zz|nowhere|aaaa/, `${claim} is not echoed`)
  }
})

t.test('reports all violations of a body at once, with the names of unknown members', async (t) => {
  const { app } = await testApp(t, { routes })
  const faults = async (url: string, body: unknown) => {
    const payload = JSON.stringify(body)
    const reply = await app.inject({ method: 'POST', url, headers: json, payload })
    t.equal(reply.statusCode, 400)
    return reply
      .json()
      .errors.map((one: { pointer: string }) => one.pointer)
      .sort()
  }
  const body = {
    name: 5,
    count: '1',
    more: ['\0'],
    'a/b': 1,
    zip: 2,
    [`long${'g'.repeat(100)}`]: 3,
  }
  const long = `#/long${'g'.repeat(60)}…`
  t.strictSame(await faults('/things', body), [
    '#/a~1b',
    '#/count',
    long,
    '#/more/0',
    '#/name',
    '#/zip',
  ])
  t.strictSame(await faults('/v1/users', { email: 'x', password: 'y', role: 'administrator' }), [
    '#/email',
    '#/password',
    '#/role',
  ])
  const cancel = (body: object) => faults('/v1/deletions/cancel', body)
  t.strictSame(await cancel({ email: 'a@example.com', password: 'x', more: 1 }), ['#/more'])
  t.strictSame(await cancel({ token: 'x', more: 1 }), ['#/more'])
  t.strictSame(await cancel({}), ['#/email', '#/password', '#/token'])
})

t.test('a body full of violations gets a short answer at little cost', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMITS: 'off' } })
  const names = Array.from({ length: 6_000 }, (_, n) => n.toString(36))
  const payload = JSON.stringify(Object.fromEntries(names.map((name) => [name, 0])))
  t.ok(payload.length > 40_000 && payload.length < 64 * 1024)
  const post = (url: string) => app.inject({ method: 'POST', url, headers: json, payload })
  for (const url of ['/v1/deletions/cancel', '/v1/users']) {
    await post(url)
    const { user } = process.cpuUsage()
    const refused = await post(url)
    const milliseconds = (process.cpuUsage().user - user) / 1_000
    t.equal(refused.json().errors.length, 20)
    t.ok(refused.json().moreErrors > 5_900, String(refused.json().moreErrors))
    t.ok(refused.body.length < 4_000)
    t.ok(milliseconds < 500, `${milliseconds} ms`)
  }
})

t.test('checks the credential before id, content type and body', async (t) => {
  const { app } = await testApp(t, { routes })
  for (const request of [
    { url: '/closed/abc', headers: json, payload: '{' },
    { url: '/closed/%zz', headers: { 'content-type': 'text/plain' }, payload: 'x' },
    { url: `/closed/${'9'.repeat(5_000)}`, headers: json, payload: 'x'.repeat(100_000) },
    { url: '/closed/1', headers: { 'sec-fetch-site': 'cross-site' } },
  ]) {
    const response = await app.inject({ method: 'DELETE', ...request })
    t.equal(response.statusCode, 401)
    t.equal(response.headers['www-authenticate'], 'Bearer')
  }
})

t.test('a DELETE with a JSON content type and no body counts as one without a body', async (t) => {
  const { app } = await testApp(t, { routes })
  for (const headers of [{}, json, { 'content-type': '\tapplication/json ; charset=UTF-8' }]) {
    const response = await app.inject({ method: 'DELETE', url: '/things/1', headers })
    t.strictSame([response.statusCode, response.json()], [200, { body: {} }])
  }
})

t.test(
  'good requests pass: other spellings of the type, repeated members, a byte order mark',
  async (t) => {
    const { app } = await testApp(t, { routes })
    for (const request of [
      post(good, ' \tapplication/json'),
      post(good, 'Application/JSON; charset=utf-8'),
      post('{"name":"Bob","name":"Ada"}'),
      post(`\ufeff${good}`),
      post('{"name":"Ada 🦆"}'),
    ])
      t.match((await app.inject(request)).json().body.name, /^Ada/)
  },
)

t.test('405 and OPTIONS list the allowed methods', async (t) => {
  const { app } = await testApp(t, { routes })
  const refused = await app.inject({ method: 'POST', url: '/healthz' })
  t.match([refused.statusCode, refused.headers.allow], [405, 'GET, HEAD'])
  const asked = await app.inject({ method: 'OPTIONS', url: '/things/1' })
  t.match([asked.statusCode, asked.headers.allow, asked.body], [204, 'PUT, DELETE', ''])
  t.equal((await app.inject({ method: 'HEAD', url: '/healthz' })).statusCode, 200)
})

t.test('an account error becomes its problem, with its members', async (t) => {
  const { app } = await testApp(t, {
    routes: async (app) => {
      app.get('/pending', () => {
        throw new AccountError('account-pending-deletion', {
          eraseAfter: '2026-01-01T00:00:00.000Z',
        })
      })
      app.get('/busy', () => {
        throw new AccountError('busy')
      })
    },
  })
  t.match((await app.inject('/pending')).json(), {
    type: '/problems/account-pending-deletion',
    status: 403,
    eraseAfter: '2026-01-01T00:00:00.000Z',
  })
  t.match(await app.inject('/busy'), { statusCode: 503, headers: { 'retry-after': '1' } })
})

t.test('an unexpected error is an opaque 500, logged once without data', async (t) => {
  const lines: string[] = []
  const { app, db } = await testApp(t, {
    env: { LOG_LEVEL: 'debug' },
    log: { write: (line) => lines.push(line) },
    routes: async (app) => {
      app.get('/values/:value', async (request) => {
        const { value } = request.params as { value: string }
        if (value === 'json') return JSON.parse('hunter2')
        await sql`select ${value}::bigint`.execute(db)
      })
    },
  })
  for (const url of ['/values/hunter2?token=hunter2', '/values/json']) {
    lines.length = 0
    const response = await app.inject({
      url,
      headers: { cookie: 'a=hunter2', authorization: 'hunter2' },
    })
    t.strictSame(response.json(), {
      type: '/problems/internal',
      title: problemTypes.internal.title,
      detail: problemTypes.internal.help,
      status: 500,
    })
    const failures = lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 40)
    t.match(failures, [
      { msg: 'request.failed', reqId: response.headers['x-request-id'], err: { stack: / at / } },
    ])
    t.equal(failures.length, 1)
    t.notMatch(lines.join(''), /hunter2|127\.0\.0\.1/)
    t.match(lines.at(-1), /"route":"\/values\/:value"/)
  }
})

t.test('an unavailable database is a 503 with Retry-After', async (t) => {
  const { app, db } = await testApp(t, {
    routes: async (app) => {
      app.get('/ended', async () => {
        await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db)
      })
    },
  })
  const response = await app.inject('/ended')
  t.match(response, { statusCode: 503, headers: { 'retry-after': '5' } })
  t.match(response.json(), { type: '/problems/unavailable' })
})

t.test('every problem type has a title and says what to do', async (t) => {
  for (const [code, { status, title, help }] of Object.entries(problemTypes)) {
    t.match(code, /^[a-z]+(-[a-z]+)*$/)
    t.ok(status >= 400 && status < 600)
    t.match(title, /^[A-Z].*[^.]$/)
    t.match(help, /^[A-Z].*\.$/)
  }
})

function post(payload: string | Buffer, type = 'application/json') {
  return { method: 'POST' as const, url: '/things', headers: { 'content-type': type }, payload }
}

/** Unchanged where it is percent-encoded already. */
function encodeId(id: string): string {
  return id.includes('%') ? id : encodeURIComponent(id)
}
