import { sql } from 'kysely'
import t from 'tap'
import { inject, password } from './person.ts'
import { testApp } from './test-app.ts'

const quiet = { env: { RATE_LIMITS: 'off' } }

t.test('stores a domain in another script in ASCII, and finds it in either form', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const made = await inject(app, 'POST', '/v1/users', { email: 'ada@bücher.example', password })
  t.match(made.json(), { user: { email: 'ada@xn--bcher-kva.example' } })
  const again = await inject(app, 'POST', '/v1/users', {
    email: 'ADA@xn--bcher-kva.example',
    password,
  })
  t.equal(again.statusCode, 409)
  for (const email of ['ada@bücher.example', 'Ada@XN--bcher-KVA.example', 'ada@BÜCHER。example']) {
    t.equal((await inject(app, 'POST', '/v1/sessions', { email, password })).statusCode, 201, email)
    t.equal((await inject(app, 'POST', '/v1/tokens', { email, password })).statusCode, 201, email)
    const cancel = await inject(app, 'POST', '/v1/deletions/cancel', { email, password })
    t.match(cancel.json(), { status: 409, deletionStatus: 'none' })
  }
  t.match(await db.selectFrom('users').select('email').execute(), [
    { email: 'ada@xn--bcher-kva.example' },
  ])
})

t.test(
  'refuses an address that no mail reaches as it is written, and says which part',
  async (t) => {
    const { app } = await testApp(t, quiet)
    const local = /before the @: ASCII letters/
    const domain = /domain name after the @/
    const address = /must be an e-mail address/
    for (const [email, detail] of [
      ['jürgen@example.com', local],
      ['a..b@example.com', local],
      [`${'a'.repeat(65)}@example.com`, local],
      ['a@1.2', domain],
      ['a@１.２', domain],
      ['a@192.0.2.1', domain],
      ['a@0x7f.1', domain],
      ['a@[192.0.2.1]', domain],
      ['a@example.123', domain],
      ['a@localhost', domain],
      ['a@xn--0.example', domain],
      ['a@xn--a.example', domain],
      ['a@exam%70le.com', domain],
      ['a@ü.com/x', domain],
      ['a@ü.com?x', domain],
      ['a@ü%2ecom', domain],
      ['a@-a.com', domain],
      ['a@a_b.com', domain],
      ['a@a..com', domain],
      [`a@${'ü'.repeat(50)}.${'ä'.repeat(60)}.${'ö'.repeat(60)}.${'ß'.repeat(50)}.example`, domain],
      ['a b@example.com', address],
      ['a@b@example.com', address],
      ['example.com', address],
      ['', address],
    ] as const) {
      const refused = await inject(app, 'POST', '/v1/users', { email, password })
      t.equal(refused.statusCode, 400, email)
      t.match(refused.json().errors, [{ pointer: '#/email', detail }], email)
    }
  },
)

t.test(
  'an account with an address that sign-up now rejects can still log in and cancel',
  async (t) => {
    const { app, db } = await testApp(t, quiet)
    await inject(app, 'POST', '/v1/users', { email: 'ada@example.com', password })
    for (const email of ['a@1.2', 'a@example.123', 'a@xn--0.example', 'ü@example.com']) {
      await sql`update public.users set email = ${email}`.execute(db)
      t.equal(
        (await inject(app, 'POST', '/v1/sessions', { email, password })).statusCode,
        201,
        email,
      )
      const cancel = await inject(app, 'POST', '/v1/deletions/cancel', { email, password })
      t.match(cancel.json(), { status: 409, deletionStatus: 'none' }, email)
    }
  },
)

t.test('all spellings of an address share one limit', async (t) => {
  const { app, db } = await testApp(t)
  for (const email of ['a@bücher.example', 'A@BÜCHER.example', 'a@xn--bcher-kva.example'])
    await inject(app, 'POST', '/v1/sessions', { email, password: 'wrong password' })
  const counted = await db.selectFrom('rate_limits').select('hits').execute()
  t.strictSame(
    counted.map(({ hits }) => hits),
    [3, 3],
    'the caller, and the account',
  )
})
