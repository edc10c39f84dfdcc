import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import { createApiUser, inject, logIn, password } from './person.ts'
import { testApp } from './test-app.ts'

const quiet = { env: { RATE_LIMITS: 'off' } }
const png = Buffer.from('89504e470d0a1a0a', 'hex')

t.test('anonymous: sign-up creates a user, and rejects an address that is taken', async (t) => {
  const { app } = await testApp(t, quiet)
  const wanted = { email: 'ada@example.com', password, displayName: 'Ada' }
  const made = await inject(app, 'POST', '/v1/users', wanted)
  t.equal(made.statusCode, 201)
  const { user } = made.json()
  t.match(user, { id: Number, email: 'ada@example.com', displayName: 'Ada', createdAt: /Z$/ })
  t.strictSame(Object.keys(user), ['id', 'email', 'displayName', 'createdAt'])
  const again = await inject(app, 'POST', '/v1/users', { ...wanted, email: 'ADA@example.com' })
  t.equal(again.statusCode, 409)
  t.match(again.json(), { type: '/problems/address-taken' })
})

t.test('a log-in sets an HttpOnly cookie', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const entered = await inject(app, 'POST', '/v1/sessions', { email: 'Ada@Example.com', password })
  t.equal(entered.statusCode, 201)
  t.match(entered.json(), { user: { id: ada.id }, expiresAt: /Z$/ })
  t.match(entered.cookies, [
    { name: 'neptun-session', path: '/', httpOnly: true, sameSite: 'Lax', value: /^[\w-]{43}$/ },
  ])
  for (const wrong of [
    { email: 'ada@example.com', password: 'wrong password' },
    { email: 'nobody@example.com', password },
  ]) {
    const refused = await inject(app, 'POST', '/v1/sessions', wrong)
    t.equal(refused.statusCode, 401)
    t.match(refused.json(), { type: '/problems/wrong-credentials' })
    t.equal((await inject(app, 'POST', '/v1/tokens', wrong)).statusCode, 401)
  }
})

t.test('over https the cookie is Secure', async (t) => {
  const { app } = await testApp(t, { env: { ...quiet.env, PUBLIC_URL: 'https://lethe.example' } })
  const { cookies } = await (async () => {
    await createApiUser(app, 'ada@example.com')
    return inject(app, 'POST', '/v1/sessions', { email: 'ada@example.com', password })
  })()
  t.match(cookies, [{ secure: true }])
})

t.test('with a cookie, a user lists and ends only their own sessions', async (t) => {
  const { app } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const { sessions } = (await ada.withCookie('GET', '/v1/sessions')).json()
  t.match(sessions, [
    { kind: 'refresh', current: false },
    { kind: 'cookie', current: true },
  ])
  const [api, cookie] = sessions
  t.equal((await eve.withCookie('DELETE', `/v1/sessions/${api.id}`)).statusCode, 404)
  t.equal((await ada.withToken('GET', '/v1/sessions')).statusCode, 200)
  t.equal((await ada.withCookie('DELETE', `/v1/sessions/${api.id}`)).statusCode, 204)
  t.equal(
    (await ada.withToken('GET', '/v1/sessions')).statusCode,
    401,
    'the access token died with it',
  )
  t.equal((await ada.withCookie('DELETE', `/v1/sessions/${api.id}`)).statusCode, 404)

  const out = await ada.withCookie('DELETE', '/v1/sessions/current')
  t.equal(out.statusCode, 204)
  t.match(out.cookies, [{ name: 'neptun-session', value: '' }])
  t.equal((await ada.withCookie('DELETE', `/v1/sessions/${cookie.id}`)).statusCode, 401)
})

t.test('a refresh token works once; using it again ends its session', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const renew = (refreshToken: string) =>
    inject(app, 'POST', '/v1/tokens/refresh', { refreshToken })
  const renewed = await renew(ada.refreshToken)
  t.equal(renewed.statusCode, 201)
  t.match(renewed.json(), { tokenType: 'Bearer', expiresIn: 900 })
  const { accessToken, refreshToken } = renewed.json()
  const profile = () =>
    inject(app, 'GET', `/v1/users/${ada.id}`, undefined, { authorization: `Bearer ${accessToken}` })
  t.equal((await profile()).statusCode, 200)
  t.equal((await renew(ada.refreshToken)).statusCode, 401)
  t.equal((await profile()).statusCode, 401)
  t.equal((await renew(refreshToken)).statusCode, 401)
})

t.test('only its owner can read a profile; another one and none are both 404', async (t) => {
  const { app } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  t.match((await ada.withToken('GET', `/v1/users/${ada.id}`)).json(), {
    user: { email: ada.email },
  })
  const another = await eve.withCookie('GET', `/v1/users/${ada.id}`)
  const none = await eve.withCookie('GET', '/v1/users/424242')
  t.equal(another.statusCode, 404)
  t.equal(another.body, none.body)
})

t.test('a new password ends every other session', async (t) => {
  const { app } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const url = `/v1/users/${ada.id}/password`
  const change = { currentPassword: password, newPassword: 'an entirely new one' }
  t.equal((await eve.withCookie('PUT', url, change)).statusCode, 404)
  const wrong = await ada.withCookie('PUT', url, { ...change, currentPassword: 'wrong password' })
  t.equal(wrong.statusCode, 403)
  t.match(wrong.json(), { type: '/problems/wrong-password' })
  t.equal((await ada.withToken('GET', '/v1/sessions')).statusCode, 200)
  t.equal((await ada.withCookie('PUT', url, change)).statusCode, 204)
  t.equal((await ada.withToken('GET', '/v1/sessions')).statusCode, 401)
  t.equal((await ada.withCookie('GET', '/v1/sessions')).statusCode, 200)
  t.equal((await inject(app, 'POST', '/v1/sessions', ada)).statusCode, 400)
})

t.test('only their owner can read or remove saved passwords', async (t) => {
  const { app } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const url = `/v1/users/${ada.id}/passwords`
  const entry = { site: 'bank.example', username: 'ada', password: 'hunter2' }
  const saved = await ada.withCookie('POST', url, entry)
  t.equal(saved.statusCode, 201)
  const { id } = saved.json().password
  t.match((await ada.withToken('GET', url)).json(), { passwords: [{ id, ...entry }] })
  for (const refused of [
    await eve.withCookie('GET', url),
    await eve.withCookie('POST', url, entry),
    await eve.withCookie('DELETE', `${url}/${id}`),
    await eve.withCookie('DELETE', `/v1/users/${eve.id}/passwords/${id}`),
  ])
    t.equal(refused.statusCode, 404)
  t.equal((await ada.withCookie('DELETE', `${url}/${id}`)).statusCode, 204)
  t.strictSame((await ada.withCookie('GET', url)).json(), { passwords: [] })
})

t.test('an avatar is an image that only its owner can replace and read', async (t) => {
  const uploads = await folder(t)
  const { app } = await testApp(t, { env: { ...quiet.env, UPLOAD_DIR: uploads } })
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  const url = `/v1/users/${ada.id}/avatar`
  const put = (body: Buffer, type = 'image/png', who = ada) =>
    inject(app, 'PUT', url, body, { cookie: who.cookie, 'content-type': type })

  t.equal((await ada.withCookie('GET', url)).statusCode, 404)
  t.equal((await put(png)).statusCode, 204)
  const second = Buffer.concat([png, Buffer.alloc(100)])
  t.equal((await put(second)).statusCode, 204)
  const shown = await ada.withCookie('GET', url)
  t.equal(shown.headers['content-type'], 'image/png')
  t.ok(shown.rawPayload.equals(second))
  t.equal((await readdir(path.join(uploads, String(ada.id)))).length, 1, 'the old file is gone')

  t.equal((await put(png, 'image/png', eve)).statusCode, 404)
  t.equal((await eve.withCookie('GET', url)).statusCode, 404)
  t.equal((await eve.withCookie('DELETE', url)).statusCode, 404)
  t.equal((await put(Buffer.from('<svg/>'))).statusCode, 415, 'a name says nothing')
  t.equal((await put(png, 'text/html')).statusCode, 415)
  t.equal((await put(Buffer.alloc(2 * 1024 * 1024 + 1))).statusCode, 413)
  t.ok((await ada.withCookie('GET', url)).rawPayload.equals(second), 'nothing of that changed it')

  t.equal((await ada.withCookie('DELETE', url)).statusCode, 204)
  t.equal((await ada.withCookie('DELETE', url)).statusCode, 404)
  t.strictSame(await readdir(path.join(uploads, String(ada.id))), [])
})

t.test('the bytes of an image decide its type, not its Content-Type', async (t) => {
  const { app } = await testApp(t, { env: { ...quiet.env, UPLOAD_DIR: await folder(t) } })
  const ada = await createApiUser(app, 'ada@example.com')
  const url = `/v1/users/${ada.id}/avatar`
  const put = (body: Buffer, type?: string) =>
    inject(app, 'PUT', url, body, { cookie: ada.cookie, ...(type && { 'content-type': type }) })
  const jpeg = Buffer.from('ffd8ffe0', 'hex')
  for (const type of ['image/jpg', 'image/pjpeg', 'IMAGE/JPG; q=1', 'image/x-png', 'image/*']) {
    t.equal((await put(jpeg, type)).statusCode, 204, type)
    t.equal((await ada.withCookie('GET', url)).headers['content-type'], 'image/jpeg', type)
  }
  for (const type of [
    'text/html',
    'application/octet-stream',
    'application/json',
    'x',
    undefined,
  ]) {
    const refused = await put(type === 'application/json' ? Buffer.from('{}') : jpeg, type)
    t.match(refused.json(), { status: 415, detail: /PNG, JPEG or WebP.*Content-Type/ }, `${type}`)
  }
  for (const bytes of [Buffer.from('GIF89a'), Buffer.from('<svg/>'), Buffer.from([0])])
    t.match((await put(bytes, 'image/png')).json(), {
      status: 415,
      detail: /^This file is not a PNG/,
    })
})

t.test('anonymous: a request is 401, whatever else is wrong with it', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const routes = [
    ['GET', '/v1/sessions'],
    ['DELETE', '/v1/sessions/current'],
    ['DELETE', '/v1/sessions/not-a-uuid'],
    ['GET', '/v1/users/0'],
    ['PUT', '/v1/users/x/password'],
    ['GET', '/v1/users/-1/passwords'],
    ['POST', '/v1/users/1e3/passwords'],
    ['DELETE', '/v1/users/1/passwords/x'],
    ['PUT', '/v1/users/%zz/avatar'],
    ['GET', '/v1/users/99999999999999999999/avatar'],
    ['DELETE', '/v1/users/1/avatar'],
    ['DELETE', `/v1/users/${ada.id}`],
    ['GET', '/v1/users/1/deletion/preview'],
    ['DELETE', '/api/users/x'],
    ['DELETE', '/api/profile/x/delete/'],
    ['GET', '/v1/exports/archive'],
  ] as const
  const credentials = [
    {},
    { cookie: 'neptun-session=wrong' },
    { authorization: 'Bearer wrong' },
    { authorization: 'Bearer wrong', cookie: ada.cookie },
    { authorization: `Bearer ${ada.refreshToken}` },
    { authorization: 'Basic YTpi' },
  ]
  for (const [method, url] of routes)
    for (const credential of credentials) {
      const headers = {
        ...credential,
        'content-type': 'text/nonsense',
        origin: 'https://evil.example',
      }
      const refused = await inject(app, method, url, '{', headers)
      t.equal(refused.statusCode, 401, `${method} ${url} ${JSON.stringify(credential)}`)
      t.ok(refused.headers['www-authenticate'])
    }
  t.equal((await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode, 200)
})

t.test(
  'with a cookie, a request from another site’s page is 403 and changes nothing',
  async (t) => {
    const { app } = await testApp(t, quiet)
    const ada = await createApiUser(app, 'ada@example.com')
    const headers = { cookie: ada.cookie, 'sec-fetch-site': 'cross-site' }
    for (const [method, url] of [
      ['DELETE', `/v1/users/${ada.id}`],
      ['DELETE', `/api/users/${ada.id}`],
      ['DELETE', '/v1/sessions/current'],
      ['POST', '/v1/sessions'],
      ['POST', '/v1/deletions/cancel'],
    ] as const)
      t.equal((await inject(app, method, url, undefined, headers)).statusCode, 403, url)
    t.equal((await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode, 200)
    const own = { ...headers, 'sec-fetch-site': 'same-origin' }
    t.equal((await inject(app, 'DELETE', '/v1/sessions/current', undefined, own)).statusCode, 204)
  },
)

t.test('log-in, token and cancel share their limits, per account and per caller', async (t) => {
  const { app } = await testApp(t)
  await createApiUser(app, 'ada@example.com')
  const wrong = { email: 'ada@example.com', password: 'wrong password' }
  const urls = ['/v1/sessions', '/v1/tokens', '/v1/deletions/cancel']
  for (let tries = 2; tries < 10; tries++)
    t.equal((await inject(app, 'POST', urls[tries % 3] ?? '', wrong)).statusCode, 401)
  const refused = await inject(app, 'POST', '/v1/sessions', wrong)
  t.equal(refused.statusCode, 429)
  t.ok(Number(refused.headers['retry-after']) >= 1)
})

t.test(
  'the owner still enters while a stranger asks for the deletion again and again',
  async (t) => {
    const { app } = await testApp(t)
    const [ada, eve] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'eve@example.com'),
    ]
    for (let tries = 0; tries < 12; tries++)
      t.equal((await eve.withCookie('DELETE', `/v1/users/${ada.id}`)).statusCode, 404)
    t.equal((await ada.withCookie('DELETE', `/v1/users/${ada.id}`)).statusCode, 202)
  },
)

t.test('a person who logs in again has a new session', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const later = await logIn(app, 'ada@example.com', ada.id)
  t.not(later.cookie, ada.cookie)
})

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}
