import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { type ApiUser, createApiUser, inject, password } from './person.ts'
import { testApp } from './test-app.ts'

t.test('the form cancels the deletion and answers with a page', async (t) => {
  const { app, ada } = await leaving(t)
  const done = await submit(app, { email: ada.email, password })
  t.equal(done.statusCode, 200)
  t.match(done.headers, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': /form-action 'self'/,
  })
  t.match(done.body, '<h1 tabindex="-1">Good to have you back</h1>')
  const logIn = { email: ada.email, password }
  t.equal((await inject(app, 'POST', '/v1/sessions', logIn)).statusCode, 201)

  const again = await submit(app, logIn)
  t.equal(again.statusCode, 409)
  t.match(again.body, 'No deletion is waiting for this account')
})

t.test('rejects a wrong password and an unknown address with the same page', async (t) => {
  const { app, ada } = await leaving(t)
  for (const email of [ada.email, 'nobody@example.com']) {
    const refused = await submit(app, { email, password: 'wrong password' })
    t.equal(refused.statusCode, 401)
    t.match(refused.body, 'do not match an account here')
    t.match(refused.body, `value="${email}"`, 'the address is there to be corrected')
    t.notMatch(refused.body, 'wrong password', 'the password is not')
  }
})

t.test('rejects a cancel after the claim', async (t) => {
  const { app, ada, db } = await leaving(t)
  await db
    .updateTable('deletions')
    .set({ status: 'erasing', claimed_at: new Date('2999-01-01') })
    .execute()
  const late = await submit(app, { email: ada.email, password })
  t.equal(late.statusCode, 409)
  t.match(late.body, 'nothing can stop it any more')
})

t.test('the form shares the limits of the API, and its page says when to try again', async (t) => {
  const { app, ada } = await leaving(t, 'on')
  const wrong = { email: ada.email, password: 'wrong password' }
  let refused = await submit(app, wrong)
  for (let tries = 0; refused.statusCode === 401 && tries < 10; tries++) {
    await inject(app, 'POST', '/v1/deletions/cancel', wrong)
    refused = await submit(app, wrong)
  }
  t.equal(refused.statusCode, 429)
  const seconds = Number(refused.headers['retry-after'])
  t.ok(seconds > 0)
  t.match(refused.body, /wait \d+ (seconds|minutes) and try again/)
  const api = await inject(app, 'POST', '/v1/deletions/cancel', wrong)
  t.equal(api.statusCode, 429, 'the same bucket')
})

t.test(
  'answers a malformed form with a page, and never echoes its content as markup',
  async (t) => {
    const { app, ada } = await leaving(t)
    const hostile = '"><script>alert(1)</script>@example.com'
    for (const [payload, headers, status] of [
      [form({}), {}, 400],
      [form({ email: ada.email }), {}, 400],
      [form({ email: hostile, password }), {}, 400],
      [`${form({ email: ada.email, password })}&password=other`, {}, 401],
      [form({ email: ada.email, password: 'x'.repeat(70_000) }), {}, 413],
      [JSON.stringify({ email: ada.email, password }), { 'content-type': 'application/json' }, 415],
      [form({ email: ada.email, password }), { 'sec-fetch-site': 'cross-site' }, 403],
      [form({ email: ada.email, password }), { origin: 'https://evil.example' }, 403],
    ] as const) {
      const refused = await post(app, payload, { ...headers })
      t.equal(refused.statusCode, status, payload.slice(0, 60))
      t.equal(refused.headers['content-type'], 'text/html; charset=utf-8')
      t.match(refused.body, '<form method="post" action="/deletion/cancel">')
      t.notMatch(refused.body, '<script')
    }
    t.match(await inject(app, 'GET', `/v1/users/${ada.id}`, undefined), { statusCode: 401 })
    const json = await inject(app, 'POST', '/v1/deletions/cancel', { email: ada.email, password })
    t.equal(json.statusCode, 200, 'nothing of that has cancelled it')
  },
)

t.test('the page without a link has the form, and lets browsers send their origin', async (t) => {
  const { app } = await testApp(t)
  const page = await app.inject('/deletion/cancel')
  t.equal(page.headers['referrer-policy'], 'same-origin')
  t.equal(page.body.match(/<form method="post" action="\/deletion\/cancel">/g)?.length, 2)
  const ids = [...page.body.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  t.equal(new Set(ids).size, ids.length, 'no id twice, for it is shown with and without JavaScript')
})

async function leaving(t: Test, rateLimits = 'off') {
  const { app, db } = await testApp(t, { env: { RATE_LIMITS: rateLimits } })
  const ada: ApiUser = await createApiUser(app, 'ada@example.com')
  t.equal((await ada.withToken('DELETE', `/v1/users/${ada.id}`, { password })).statusCode, 202)
  return { app, db, ada }
}

const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()

const submit = (app: FastifyInstance, fields: Record<string, string>) => post(app, form(fields))

function post(app: FastifyInstance, payload: string, headers: Record<string, string> = {}) {
  return app.inject({
    method: 'POST',
    url: '/deletion/cancel',
    payload,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })
}
