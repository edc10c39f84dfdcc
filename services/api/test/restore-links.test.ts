import t from 'tap'
import { linkPages } from '../src/pages/link-pages.ts'
import { testApp } from './test-app.ts'

const secret = 'q1_-'.repeat(10).concat('abc')

t.test(
  'a link with an encoded hash leads to its page, with the token in the fragment',
  async (t) => {
    const { app } = await testApp(t)
    for (const { path } of linkPages)
      for (const mangled of [
        `%23token=${secret}`,
        `%2523token=${secret}`,
        `%252523token%25253D${secret}`,
        `%23token%3d${secret}`,
        `/%23token=${secret}`,
        `%23token=${secret.replaceAll('-', '%2D')}`,
        `%23token=${secret}?utm_source=mail&x=//evil.example`,
        `?utm_source=mail%23token=${secret}`,
        `%23utm=1&token=${secret}&data=05%7C02`,
        `%23token=${secret}%0d%0aSet-Cookie:%20a=b`,
        `%23token=${secret}%zz`,
        `%23token=${secret}.`,
        `%23token=${secret}%3E`,
        `%23token=${secret}%C3%BC`,
      ])
        for (const method of ['GET', 'HEAD'] as const)
          for (const accept of ['text/html', 'application/json']) {
            const reply = await app.inject({ method, url: path + mangled, headers: { accept } })
            t.equal(reply.statusCode, 302, path + mangled)
            t.equal(reply.headers.location, `${path}#token=${secret}`, path + mangled)
            t.match(reply.headers, {
              'cache-control': 'no-store',
              'referrer-policy': 'no-referrer',
              'content-security-policy': /default-src 'none'/,
            })
            t.equal(reply.body, '')
          }
  },
)

t.test('redirects a link with a malformed token to its page without a token', async (t) => {
  const { app } = await testApp(t)
  for (const { path } of linkPages)
    for (const mangled of [
      '%23',
      '%23token=',
      '%23token=%0d%0a',
      '%23token=//evil',
      '/',
      '/?a=b',
      '%23<b>',
    ])
      t.match(await app.inject(path + mangled), { statusCode: 302, headers: { location: path } })
})

t.test('does not redirect URLs that are no mailed links', async (t) => {
  const { app } = await testApp(t)
  for (const [url, status] of [
    ['/deletion/cancel', 200],
    ['/deletion/cancel?token=x', 200],
    [`/v1/users%23token=${secret}`, 404],
    [`//evil.example/deletion/cancel%23token=${secret}`, 404],
    [`/deletion/cancelled%23token=${secret}`, 404],
    [`/deletion/cancel%24token=${secret}`, 404],
    ['/deletion/cancel//', 404],
  ] as const)
    t.equal((await app.inject(url)).statusCode, status, url)
  for (const method of ['POST', 'PUT', 'DELETE'] as const)
    t.equal((await app.inject({ method, url: `/export%23token=${secret}` })).statusCode, 404)
})

t.test('logs no token of such a link', async (t) => {
  let log = ''
  const { app } = await testApp(t, {
    env: { LOG_LEVEL: 'trace' },
    log: { write: (line) => (log += line) },
  })
  for (const url of [`/export%23token=${secret}`, `/export%24token=${secret}`, `/${secret}%zz`])
    await app.inject(url)
  t.match(log, /"statusCode":302/)
  t.notMatch(log, secret)
  t.notMatch(log, 'token=')
})
