import { connect as connectSocket } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { createApiUser, inject } from './person.ts'
import { testApp } from './test-app.ts'

const quiet = { env: { RATE_LIMITS: 'off' } }

t.test(
  'DELETE /api/users/{id} with a cookie: 200, exactly true, and the cookie is cleared',
  async (t) => {
    const { app, db } = await testApp(t, quiet)
    const ada = await createApiUser(app, 'ada@example.com')
    const done = await ada.withCookie('DELETE', `/api/users/${ada.id}`)
    t.equal(done.statusCode, 200)
    t.equal(done.body, 'true')
    t.match(done.headers, { 'content-type': /^application\/json/, 'content-length': '4' })
    t.match(done.cookies, [{ name: 'neptun-session', value: '' }])
    t.match(await db.selectFrom('deletions').selectAll().execute(), [
      { status: 'pending', user_id: ada.id },
    ])
  },
)

t.test('DELETE /api/users/{id}: every error has the documented shape', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const wrongId = {
    statusCode: 400,
    statusMessage: 'Bad Request',
    data: { message: 'Invalid user ID format' },
  }
  for (const id of [
    'abc',
    '0',
    '-1',
    '1e3',
    '01',
    '1.5',
    '9007199254740992',
    '%zz',
    '%00',
    'x'.repeat(5000),
  ]) {
    const refused = await ada.withCookie('DELETE', `/api/users/${id}`)
    t.equal(refused.statusCode, 400, id.slice(0, 20))
    t.strictSame(refused.json(), wrongId)
  }
  const notFound = {
    statusCode: 404,
    statusMessage: 'Not Found',
    data: { message: 'User not found' },
  }
  for (const id of [eve.id, 424242, 9007199254740991]) {
    const refused = await ada.withCookie('DELETE', `/api/users/${id}`)
    t.equal(refused.statusCode, 404)
    t.strictSame(refused.json(), notFound)
  }
  for (const id of ['abc', ada.id]) {
    const refused = await inject(app, 'DELETE', `/api/users/${id}`)
    t.equal(refused.statusCode, 401)
    t.match(refused.json(), {
      statusCode: 401,
      statusMessage: 'Unauthorized',
      data: { message: String },
    })
  }
  await sql`update public.sessions set authenticated_at = now() - interval '1 hour'`.execute(db)
  t.match((await ada.withCookie('DELETE', `/api/users/${ada.id}`)).json(), {
    statusCode: 403,
    statusMessage: 'Forbidden',
  })
  const crossSite = await inject(app, 'DELETE', `/api/users/${ada.id}`, undefined, {
    cookie: ada.cookie,
    origin: 'https://evil.example',
  })
  t.match(crossSite.json(), { statusCode: 403, statusMessage: 'Forbidden' })
  t.strictSame(
    await db.selectFrom('deletions').selectAll().execute(),
    [],
    'nothing of that did anything',
  )
})

t.test('DELETE /api/users/{id} with a cookie: any body is ignored', async (t) => {
  const { app } = await testApp(t, quiet)
  const bodies: [string, string | undefined][] = [
    ['application/json', undefined],
    ['application/json', '{broken'],
    ['text/plain', 'hello'],
    ['\tnonsense;;', 'hello'],
  ]
  for (const [n, [type, body]] of bodies.entries()) {
    const who = await createApiUser(app, `p${n}@example.com`)
    const headers = { cookie: who.cookie, 'content-type': type }
    t.equal((await inject(app, 'DELETE', `/api/users/${who.id}`, body, headers)).body, 'true')
  }
})

t.test(
  'DELETE /api/users/{id} with an administrator’s cookie: another account is deleted, an unknown id is 404',
  async (t) => {
    const { app, db } = await testApp(t, quiet)
    const [ada, root] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'root@example.com'),
    ]
    await sql`update public.users set role = 'administrator' where id = ${root.id}`.execute(db)
    const done = await root.withCookie('DELETE', `/api/users/${ada.id}`)
    t.equal(done.body, 'true')
    t.strictSame(done.cookies, [], 'the own cookie stays')
    t.equal((await root.withCookie('DELETE', '/api/users/424242')).statusCode, 404)
  },
)

t.test(
  'DELETE /api/profile/{id}/delete/: done is 204, with or without the slash, body or none',
  async (t) => {
    const { app } = await testApp(t, quiet)
    const requests: [slash: string, body: string | undefined, type: string | undefined][] = [
      ['/', '42', 'application/json'],
      ['', undefined, 'application/json'],
      ['/', undefined, undefined],
      ['/', '{broken', 'application/json'],
      ['', 'a=b', 'application/x-www-form-urlencoded'],
    ]
    for (const [n, [slash, body, type]] of requests.entries()) {
      const who = await createApiUser(app, `p${n}@example.com`)
      const done = await inject(app, 'DELETE', `/api/profile/${who.id}/delete${slash}`, body, {
        authorization: `Bearer ${who.accessToken}`,
        origin: 'https://app.example',
        'sec-fetch-site': 'cross-site',
        ...(type && { 'content-type': type }),
      })
      t.equal(done.statusCode, 204)
      t.equal(done.body, '')
      t.notOk('content-length' in done.headers)
      t.equal((await who.withToken('GET', '/v1/sessions')).statusCode, 401)
    }
  },
)

t.test('DELETE /api/profile/{id}/delete/: every error has the documented shape', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const url = (id: unknown) => `/api/profile/${id}/delete/`

  for (const headers of [{}, { cookie: ada.cookie }]) {
    const none = await inject(app, 'DELETE', url(ada.id), undefined, headers)
    t.equal(none.statusCode, 401)
    t.strictSame(none.json(), { detail: 'Authentication credentials were not provided.' })
    t.equal(none.headers['www-authenticate'], 'Bearer')
  }
  const wrong = await inject(app, 'DELETE', url(ada.id), undefined, { authorization: 'Bearer x' })
  t.equal(wrong.statusCode, 401)
  t.match(wrong.json(), { detail: /access token/ })
  t.equal(wrong.headers['www-authenticate'], 'Bearer')

  for (const id of [eve.id, 424242]) {
    const refused = await ada.withToken('DELETE', url(id))
    t.equal(refused.statusCode, 403)
    t.strictSame(refused.json(), { error: 'Not authorized' })
  }
  for (const id of ['abc', '0', '-1', '1e3', '%zz']) {
    const refused = await ada.withToken('DELETE', url(id))
    t.equal(refused.statusCode, 404)
    t.strictSame(refused.json(), { detail: 'Not found.' })
  }
  const big = await inject(app, 'DELETE', url(ada.id), 'x'.repeat(70_000), {
    authorization: `Bearer ${ada.accessToken}`,
    'content-type': 'text/plain',
  })
  t.equal(big.statusCode, 413)
  t.match(big.json(), { error: String })
  t.strictSame(await db.selectFrom('deletions').selectAll().execute(), [])

  await sql`update public.users set role = 'administrator' where id = ${eve.id}`.execute(db)
  const unknown = await eve.withToken('DELETE', url(424242))
  t.equal(unknown.statusCode, 404)
  t.strictSame(unknown.json(), { detail: 'Not found.' })
  t.equal((await eve.withToken('DELETE', url(ada.id))).statusCode, 204)
})

t.test('after a 204 the connection serves the next request', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const address = app.server.address()
  if (typeof address !== 'object' || !address) throw new Error('not listening')
  const socket = connectSocket(address.port, '127.0.0.1')
  socket.write(
    `DELETE /api/profile/${ada.id}/delete/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.accessToken}\r\n` +
      'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n42' +
      'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  let answer = ''
  for await (const chunk of socket) answer += chunk
  t.match(answer, /^HTTP\/1\.1 204 No Content\r\n/)
  t.match(answer, /\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

t.test('a failure is 500 or 503 in the shape of each route, never a success', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  await sql`alter table public.deletions add constraint broken check (false) not valid`.execute(db)
  const users = await ada.withCookie('DELETE', `/api/users/${ada.id}`)
  t.equal(users.statusCode, 500)
  t.match(users.json(), { statusCode: 500, statusMessage: 'Internal Server Error' })
  const profile = await ada.withToken('DELETE', `/api/profile/${ada.id}/delete/`)
  t.equal(profile.statusCode, 500)
  t.match(profile.json(), { error: String })
  t.notMatch(users.body + profile.body, /broken|deletions|constraint/)
  t.equal(
    (await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode,
    200,
    'and nothing half done',
  )
})
