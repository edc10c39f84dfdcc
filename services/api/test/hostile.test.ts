import { sql } from 'kysely'
import t from 'tap'
import { createApiUser, inject, password } from './person.ts'
import { testApp } from './test-app.ts'

const quiet = { env: { RATE_LIMITS: 'off' } }
const values = [
  null,
  true,
  0,
  -1,
  1e308,
  42,
  '',
  ' ',
  '\0',
  '\ud800',
  'a\r\nBcc: eve@example.com',
  'x'.repeat(60_000),
  [],
  ['a'],
  {},
  { $ne: null },
  "' or 1=1 --",
  '../../etc/passwd',
]

t.test('no invalid value of any member causes a 5xx or changes anything', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const bodies: [method: 'POST' | 'PUT' | 'DELETE', url: string, members: string[]][] = [
    ['POST', '/v1/users', ['email', 'password', 'displayName', 'role']],
    ['POST', '/v1/sessions', ['email', 'password', 'unknown']],
    ['POST', '/v1/tokens', ['email', 'password']],
    ['POST', '/v1/tokens/refresh', ['refreshToken']],
    ['PUT', `/v1/users/${ada.id}/password`, ['currentPassword', 'newPassword']],
    ['POST', `/v1/users/${ada.id}/passwords`, ['site', 'unknown']],
    ['DELETE', `/v1/users/${ada.id}`, ['password', 'eraseNow', 'unknown']],
    ['POST', '/v1/deletions/cancel', ['token', 'email', 'password']],
    ['POST', '/v1/deletions/status', ['token']],
    ['POST', '/v1/exports/open', ['token']],
    ['POST', '/v1/exports/passwords', ['token', 'password']],
  ]
  const fitting: Record<string, string> = {
    email: 'nobody@example.com',
    password,
    currentPassword: 'not the right one',
    newPassword: password,
  }
  for (const [method, url, members] of bodies)
    for (const member of members)
      for (const value of values) {
        const others = members.filter((name) => name in fitting && url !== `/v1/users/${ada.id}`)
        const body = Object.fromEntries(others.map((name) => [name, fitting[name]]))
        const refused = await ada.withToken(method, url, { ...body, [member]: value })
        const what = `${method} ${url} ${member}=${JSON.stringify(value).slice(0, 30)}`
        const isFreeText = url === '/v1/users' && ['displayName', 'password'].includes(member)
        if (isFreeText && refused.statusCode === 201)
          await sql`delete from public.users where id <> ${ada.id}`.execute(db)
        else if (refused.statusCode < 400 || refused.statusCode > 499)
          t.fail(`${refused.statusCode} for ${what}`)
      }
  t.equal((await ada.withToken('GET', `/v1/users/${ada.id}`)).statusCode, 200)
  t.strictSame(await db.selectFrom('deletions').selectAll().execute(), [])
})

t.test('rejects a malformed id on every route that takes one', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const ids = [
    '0',
    '-1',
    '1e3',
    '01',
    '1.0',
    '+1',
    ' 1',
    '9007199254740992',
    '%00',
    '%zz',
    '١',
    'x'.repeat(8000),
  ]
  const routes = [
    'GET :id',
    'DELETE :id',
    'PUT :id/password',
    'GET :id/passwords',
    'GET :id/avatar',
    'GET :id/deletion/preview',
  ]
  for (const route of routes)
    for (const id of ids) {
      const [method, path = ''] = route.split(' ') as ['GET', string]
      const refused = await ada.withToken(method, `/v1/users/${path.replace(':id', encodeURI(id))}`)
      t.equal(refused.statusCode, 400, `${route} ${id.slice(0, 20)}`)
      t.match(refused.json(), { type: '/problems/invalid-request' })
    }
})

t.test('rejects an id that PostgreSQL cannot parse before it reaches the database', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const urn = `urn:uuid:${crypto.randomUUID()}`
  for (const url of [`/v1/sessions/${urn}`, `/v1/users/${ada.id}/passwords/${urn}`])
    t.equal((await ada.withToken('DELETE', url)).statusCode, 400, url)
})

t.test('a wrong password of any length is rejected as wrong', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  for (const wrong of ['', 'x', 'x'.repeat(5000)]) {
    const refused = await ada.withToken('DELETE', `/v1/users/${ada.id}`, { password: wrong })
    t.match(refused.json(), { status: 403, type: '/problems/wrong-password' })
  }
})

t.test('a password is measured in bytes', async (t) => {
  const { app } = await testApp(t, quiet)
  const signUp = (pass: string) =>
    inject(app, 'POST', '/v1/users', {
      email: `${crypto.randomUUID()}@example.com`,
      password: pass,
    })
  t.equal((await signUp('1234567')).statusCode, 400)
  t.equal((await signUp('12345678')).statusCode, 201)
  t.equal((await signUp('ü'.repeat(4))).statusCode, 201)
  t.equal((await signUp('x'.repeat(1024))).statusCode, 201)
  t.equal((await signUp(`${'ü'.repeat(512)}x`)).statusCode, 400)
})

t.test('no request or failure logs personal data', async (t) => {
  let log = ''
  const { app, db } = await testApp(t, {
    env: { ...quiet.env, LOG_LEVEL: 'trace' },
    log: { write: (line) => (log += line) },
  })
  const canaries = {
    email: 'canary-address@example.com',
    password: 'canary-password',
    displayName: 'canary-name',
  }
  const { id } = (await inject(app, 'POST', '/v1/users', canaries)).json().user
  await inject(app, 'POST', '/v1/users', canaries)
  const { email, password: pass } = canaries
  const session = await inject(app, 'POST', '/v1/sessions', { email, password: pass })
  const cookie = `neptun-session=${session.cookies[0]?.value}`
  const secret = { site: 'canary-site', username: 'canary-username', password: 'canary-secret' }
  await inject(app, 'POST', `/v1/users/${id}/passwords`, secret, { cookie })
  await inject(app, 'POST', '/v1/sessions', { email, password: 'canary-wrong' })
  await inject(app, 'POST', `/v1/users/${id}/passwords?canary-query=1`, '{"canary-broken', {
    cookie,
  })
  await inject(app, 'GET', '/canary-path', undefined, { cookie, 'user-agent': 'canary-agent' })
  await sql`alter table public.saved_passwords add constraint broken check (site <> 'canary-site') not valid`.execute(
    db,
  )
  const failed = await inject(app, 'POST', `/v1/users/${id}/passwords`, secret, { cookie })
  t.equal(failed.statusCode, 500)
  await inject(app, 'DELETE', `/v1/users/${id}`, undefined, { cookie })
  await inject(app, 'POST', '/v1/deletions/cancel', { token: 'canary-token' })
  t.match(log, 'request.failed')
  t.notMatch(log, 'canary')
  t.notMatch(log, session.cookies[0]?.value)
})

t.test('every route has a schema in /openapi.json', async (t) => {
  const { app } = await testApp(t, quiet)
  const { paths } = (await app.inject('/openapi.json')).json()
  t.strictSame(paths['/v1/users/{userId}'].get.security, [{ session: [] }, { accessToken: [] }])
  t.strictSame(paths['/api/profile/{userId}/delete/'].delete.security, [{ accessToken: [] }])
  t.equal(paths['/v1/users'].post.security, undefined)
  const routes = Object.entries<object>(paths).flatMap(([url, methods]) =>
    Object.entries(methods).map(([method, { summary }]) => ({
      route: `${method} ${url}`,
      summary,
    })),
  )
  for (const { route, summary } of routes) t.ok(summary, route)
  for (const url of [
    '/v1/users/{userId}',
    '/v1/deletions/cancel',
    '/v1/exports/archive',
    '/api/users/{userId}',
  ])
    t.ok(url in paths, url)
})
