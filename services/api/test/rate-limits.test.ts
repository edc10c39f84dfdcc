import type { FastifyRequest } from 'fastify'
import { sql } from 'kysely'
import t from 'tap'
import { rateLimits } from '../src/rate-limits.ts'
import { testApp } from './test-app.ts'

t.test('rejects the eleventh password attempt in a minute, with Retry-After', async (t) => {
  const { call } = await limited(t)
  for (let i = 0; i < 10; i++) t.equal((await call()).statusCode, 200)
  const refused = await call()
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { type: '/problems/too-many-requests' })
  const seconds = Number(refused.headers['retry-after'])
  t.ok(seconds > 50 && seconds <= 60)
})

t.test('counts callers, accounts and limits separately, until the window ends', async (t) => {
  const { call, db } = await limited(t)
  for (let i = 0; i < 11; i++) await call()
  t.equal((await call({ remoteAddress: '192.0.2.1' })).statusCode, 200, 'another caller')
  t.equal((await call({ url: '/password/ada' })).statusCode, 200, 'an account')
  t.equal((await call({ url: '/sign-up' })).statusCode, 200, 'another limit')
  t.equal((await call()).statusCode, 429)
  await sql`update public.rate_limits set ends_at = now()`.execute(db)
  t.equal((await call()).statusCode, 200, 'the next window')
})

t.test('counts an IPv6 /64 as one caller, whatever address it uses', async (t) => {
  const { call } = await limited(t)
  for (let i = 0; i < 10; i++) await call({ remoteAddress: `2001:db8::${i}` })
  t.equal((await call({ remoteAddress: '2001:db8::ffff' })).statusCode, 429)
  t.equal((await call({ remoteAddress: '2001:db8:0:1::1' })).statusCode, 200)
  for (let i = 0; i < 10; i++) await call({ remoteAddress: '::ffff:192.0.2.1' })
  t.equal((await call({ remoteAddress: '192.0.2.1' })).statusCode, 429, 'IPv4 in IPv6 clothes')
})

t.test('believes a forwarded address only from a trusted proxy', async (t) => {
  const spoofed = await limited(t)
  for (let i = 0; i < 10; i++)
    await spoofed.call({ headers: { 'x-forwarded-for': `192.0.2.${i}` } })
  t.equal((await spoofed.call({ headers: { 'x-forwarded-for': '192.0.2.99' } })).statusCode, 429)
  const proxied = await limited(t, { TRUST_PROXY: '127.0.0.1' })
  for (let i = 0; i < 11; i++) await proxied.call({ headers: { 'x-forwarded-for': '192.0.2.1' } })
  t.equal((await proxied.call({ headers: { 'x-forwarded-for': '192.0.2.1' } })).statusCode, 429)
  t.equal((await proxied.call({ headers: { 'x-forwarded-for': '192.0.2.2' } })).statusCode, 200)
})

t.test('counts a forwarded address as one caller, whatever its port', async (t) => {
  const { call } = await limited(t, { TRUST_PROXY: '127.0.0.1, 10.0.0.0/8' })
  const from = (forwarded: string) => call({ headers: { 'x-forwarded-for': forwarded } })
  for (let i = 0; i < 10; i++) t.equal((await from(`203.0.113.6:${40_000 + i}`)).statusCode, 200)
  for (const same of [
    '203.0.113.6:50000',
    '203.0.113.6',
    '[::ffff:203.0.113.6]:443',
    '::ffff:cb00:7106',
    '203.0.113.6:40001, 10.0.0.5:8080',
  ])
    t.equal((await from(same)).statusCode, 429, same)
  t.equal((await from('203.0.113.7:40001, 10.0.0.5')).statusCode, 200, 'a neighbor')
  for (let i = 0; i < 10; i++) await from(`[2001:db8::${i}]:${40_000 + i}`)
  for (const same of ['[2001:db8::1]:443', '[2001:db8::1]', '2001:db8::1', '2001:db8::1%eth0'])
    t.equal((await from(same)).statusCode, 429, same)
})

t.test('counts all values that are no address as one caller', async (t) => {
  const { call } = await limited(t, { TRUST_PROXY: '127.0.0.1' })
  const from = (forwarded: string) => call({ headers: { 'x-forwarded-for': forwarded } })
  for (let i = 0; i < 10; i++) t.equal((await from(`_hidden${i}`)).statusCode, 200)
  for (const another of [
    'unknown',
    '256.1.1.1',
    '010.0.0.1',
    '1.2',
    '203.0.113.6:x',
    '[::1',
    ':80',
  ])
    t.equal((await from(another)).statusCode, 429, another)
})

t.test('a /48 has the limit of ten callers', async (t) => {
  const { call } = await limited(t)
  const hex = (n: number) => n.toString(16)
  for (let i = 0; i < 100; i++)
    t.equal((await call({ remoteAddress: `2001:db8:0:${hex(i)}::1` })).statusCode, 200)
  t.equal((await call({ remoteAddress: '2001:db8:0:ffff::1' })).statusCode, 429)
  t.equal((await call({ remoteAddress: '2001:db8:1:0::1' })).statusCode, 200, 'the next /48')
  for (let i = 0; i < 200; i++) await call({ remoteAddress: '2001:db8:2::1' })
  t.equal((await call({ remoteAddress: '2001:db8:2:1::1' })).statusCode, 200, 'one /64 is not ten')
})

t.test('counts all concurrent hits', async (t) => {
  const { call } = await limited(t)
  const answers = await Promise.all(Array.from({ length: 25 }, () => call()))
  const statuses = answers.map(({ statusCode }) => statusCode).sort((a, b) => a - b)
  t.same(statuses, [...Array(10).fill(200), ...Array(15).fill(429)])
})

t.test('stores no address in the table', async (t) => {
  const { call, db } = await limited(t)
  await call({ url: '/password/ada@example.com' })
  const rows = await db.selectFrom('rate_limits').selectAll().execute()
  t.equal(rows.length, 1)
  t.equal(rows[0]?.bucket.length, 32)
  t.notMatch(String(rows[0]?.bucket), /ada|127/)
})

t.test('RATE_LIMITS=off turns all limits off', async (t) => {
  const { call, db } = await limited(t, {}, false)
  for (let i = 0; i < 12; i++) t.equal((await call()).statusCode, 200)
  t.strictSame(await db.selectFrom('rate_limits').selectAll().execute(), [])
})

async function limited(t: Parameters<typeof testApp>[0], env: NodeJS.ProcessEnv = {}, on = true) {
  const { app, db } = await testApp(t, {
    env: { ...env, RATE_LIMITS: on ? 'on' : 'off' },
    routes: async (app, { db, keys }) => {
      const consumeLimit = rateLimits(app, { db, keys, on })
      app.get('/password', (request) => consumeLimit(request, 'passwordPerCaller'))
      app.get('/password/:account', (request: FastifyRequest<{ Params: { account: string } }>) =>
        consumeLimit(request, 'passwordPerAccount', request.params.account),
      )
      app.get('/sign-up', (request) => consumeLimit(request, 'signUpPerCaller'))
    },
  })
  return { db, call: (request: object = {}) => app.inject({ url: '/password', ...request }) }
}
