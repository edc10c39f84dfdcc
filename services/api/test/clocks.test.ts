import { createHmac } from 'node:crypto'
import { cheapHasher } from '@lethe/accounts/testing'
import { openStorage } from '@lethe/archive'
import { testDb, withClockAhead } from '@lethe/db/testing'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { createApiUser, inject, password } from './person.ts'
import { anyFolders, keys, SECRET_KEY } from './test-app.ts'

const days = 40
const seconds = () => Math.floor(Date.now() / 1_000)
const theirs = () => seconds() + days * 86_400

t.test('an access token expires by the database’s clock, not by the API’s', async (t) => {
  const app = await appBehind(t)
  const ada = await createApiUser(app, 'ada@example.com')
  const { iat, exp, ...claims } = claimsOf(ada.accessToken)
  t.ok(Math.abs(Number(iat) - theirs()) < 60, 'signed at their time')
  t.equal(Number(exp) - Number(iat), 15 * 60)
  t.equal((await ada.withToken('GET', '/v1/sessions')).statusCode, 200)
  const { refreshToken } = ada
  const refreshed = await inject(app, 'POST', '/v1/tokens/refresh', { refreshToken })
  t.ok(Math.abs(Number(claimsOf(refreshed.json().accessToken).iat) - theirs()) < 60)

  const statusAt = async (exp: number) => {
    const authorization = `Bearer ${signed(keys.accessTokens, { ...claims, exp })}`
    return (await inject(app, 'GET', '/v1/sessions', undefined, { authorization })).statusCode
  }
  t.equal(await statusAt(theirs() + 60), 200)
  t.equal(await statusAt(theirs() - 1), 401, 'over for them')
  t.equal(await statusAt(seconds() + 60), 401, 'not over for us')
})

t.test('a download ticket expires by the database’s clock too', async (t) => {
  const app = await appBehind(t)
  const exportId = '00000000-0000-4000-8000-000000000000'
  const statusAt = async (exp: number) => {
    const cookie = `lethe-export=${signed(keys.downloads, { exportId, exp })}`
    return (await inject(app, 'GET', '/v1/exports/archive', undefined, { cookie })).statusCode
  }
  t.equal(await statusAt(theirs() + 60), 404, 'let in, and nothing there')
  t.equal(await statusAt(theirs() - 1), 401)
  t.equal(await statusAt(seconds() + 60), 401)
})

t.test('the session cookie has a Max-Age and no Expires', async (t) => {
  const app = await appBehind(t)
  await createApiUser(app, 'ada@example.com')
  const { cookies } = await inject(app, 'POST', '/v1/sessions', {
    email: 'ada@example.com',
    password,
  })
  t.match(cookies, [{ name: 'neptun-session', maxAge: 14 * 86_400, expires: undefined }])
})

/** The real API on a database whose clock is weeks ahead of this machine. */
async function appBehind(t: Test): Promise<FastifyInstance> {
  const { db, url } = await testDb(t)
  const ahead = await withClockAhead(t, { db, url }, days)
  const env = { DATABASE_URL: url, SECRET_KEY, LOG_LEVEL: 'silent', RATE_LIMITS: 'off' }
  const app = buildApp({
    db: ahead,
    config: readConfig(env),
    keys,
    hasher: cheapHasher,
    storage: openStorage('.data/none'),
    folders: anyFolders,
  })
  t.teardown(() => app.close())
  return app
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

/** Signs a token as the API does. */
function signed(key: Buffer, claims: object): string {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const text = parts.join('.')
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}
