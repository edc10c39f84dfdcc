import t from 'tap'
import { testApp } from './test-app.ts'

const routes = { '/things': ['GET', 'POST', 'PUT', 'DELETE'] }

t.test(
  'a request that changes something comes from us, from no page, or with a token',
  async (t) => {
    const { app } = await testApp(t, {
      env: { PUBLIC_URL: 'https://lethe.example' },
      routes: async (app) => {
        app.route({ method: routes['/things'], url: '/things', handler: async () => 'done' })
      },
    })
    for (const [claim, method, headers, status] of [
      ['from our own page', 'POST', { 'sec-fetch-site': 'same-origin' }, 200],
      ['typed by the user', 'POST', { 'sec-fetch-site': 'none' }, 200],
      ['from another site', 'POST', { 'sec-fetch-site': 'cross-site' }, 403],
      ['from a subdomain', 'DELETE', { 'sec-fetch-site': 'same-site' }, 403],
      [
        'the fetch header beats the origin',
        'PUT',
        { 'sec-fetch-site': 'cross-site', origin: 'https://lethe.example' },
        403,
      ],
      ['an empty fetch header', 'PUT', { 'sec-fetch-site': '' }, 403],
      ['no browser at all', 'POST', {}, 200],
      ['an old browser, our page', 'POST', { origin: 'https://lethe.example' }, 200],
      [
        'an old browser, the address that was called',
        'POST',
        { origin: 'http://127.0.0.1:3000', host: '127.0.0.1:3000' },
        200,
      ],
      ['an old browser, another scheme', 'POST', { origin: 'http://lethe.example' }, 403],
      ['an old browser, another port', 'POST', { origin: 'https://lethe.example:8443' }, 403],
      ['an old browser, another site', 'DELETE', { origin: 'https://evil.example' }, 403],
      ['an old browser, a sandboxed page', 'DELETE', { origin: 'null' }, 403],
      [
        'a forwarded host that nobody vouches for',
        'POST',
        {
          origin: 'https://evil.example',
          'x-forwarded-host': 'evil.example',
          'x-forwarded-proto': 'https',
        },
        403,
      ],
      [
        'with an access token',
        'POST',
        { 'sec-fetch-site': 'cross-site', authorization: 'Bearer abc' },
        200,
      ],
      [
        'with another credential',
        'POST',
        { 'sec-fetch-site': 'cross-site', authorization: 'Basic abc' },
        403,
      ],
      [
        'with an empty token',
        'POST',
        { 'sec-fetch-site': 'cross-site', authorization: 'Bearer ' },
        403,
      ],
      ['reading alone', 'GET', { 'sec-fetch-site': 'cross-site' }, 200],
    ] as const) {
      const response = await app.inject({ method, url: '/things', headers: { ...headers } })
      t.equal(response.statusCode, status, claim)
      if (status === 403) t.match(response.json(), { type: '/problems/cross-site' }, claim)
    }
  },
)

t.test('allowed origins may send requests, but not with cookies', async (t) => {
  const { app } = await testApp(t, { env: { ALLOWED_ORIGINS: 'https://app.example' } })
  const preflight = (origin: string) =>
    app.inject({
      method: 'OPTIONS',
      url: '/healthz',
      headers: {
        origin,
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': 'authorization',
      },
    })
  const allowed = await preflight('https://app.example')
  t.match(allowed, {
    statusCode: 204,
    headers: {
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': /DELETE/,
      'access-control-allow-headers': 'authorization, content-type',
      vary: 'Origin',
    },
  })
  t.equal(allowed.headers['access-control-allow-credentials'], undefined)
  const stranger = await preflight('https://evil.example')
  t.equal(stranger.headers['access-control-allow-origin'], undefined)
})

t.test('without ALLOWED_ORIGINS no origin is allowed', async (t) => {
  const { app } = await testApp(t)
  const response = await app.inject({ url: '/healthz', headers: { origin: 'https://app.example' } })
  t.equal(response.headers['access-control-allow-origin'], undefined)
})

t.test('sends HSTS only where PUBLIC_URL is https', async (t) => {
  const plain = await testApp(t, { env: { PUBLIC_URL: 'http://lethe.example' } })
  t.equal((await plain.app.inject('/healthz')).headers['strict-transport-security'], undefined)
  t.notMatch(
    (await plain.app.inject('/docs')).headers['content-security-policy'],
    /upgrade-insecure/,
  )
  const secure = await testApp(t, { env: { PUBLIC_URL: 'https://lethe.example' } })
  t.match(
    (await secure.app.inject('/healthz')).headers['strict-transport-security'],
    /max-age=31536000/,
  )
})

t.test(
  'answers run nothing and load nothing; the documentation loads from here alone',
  async (t) => {
    const { app } = await testApp(t)
    const api = await app.inject('/healthz')
    t.equal(api.headers['content-security-policy'], "default-src 'none';frame-ancestors 'none'")
    t.equal(api.headers['x-content-type-options'], 'nosniff')
    const docs = await app.inject('/docs')
    t.equal(docs.statusCode, 200)
    t.notMatch(docs.body + docs.headers['content-security-policy'], /https?:/)
    t.match((await app.inject('/docs/static/swagger-initializer.js')).body, /validatorUrl: null/)
    t.match((await app.inject('/openapi.json')).json(), {
      openapi: '3.1.0',
      paths: { '/readyz': {} },
    })
  },
)
