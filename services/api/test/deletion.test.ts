import { sql } from 'kysely'
import t from 'tap'
import { cancelToken, createApiUser, inject, logIn, password } from './person.ts'
import { keys, testApp } from './test-app.ts'

const quiet = { env: { RATE_LIMITS: 'off' } }

t.test(
  'DELETE answers with the date, and from then on nothing of before is accepted',
  async (t) => {
    const { app } = await testApp(t, quiet)
    const [ada, bob] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'bob@example.com'),
    ]
    const asked = await ada.withCookie('DELETE', `/v1/users/${ada.id}`)
    t.equal(asked.statusCode, 202)
    t.equal(asked.headers['clear-site-data'], '"storage"')
    t.match(asked.cookies, [{ name: 'neptun-session', value: '', path: '/' }])
    const { deletion } = asked.json()
    t.strictSame(Object.keys(deletion), ['id', 'status', 'requestedAt', 'eraseAfter'])
    t.equal(Date.parse(deletion.eraseAfter) - Date.parse(deletion.requestedAt), 27 * 86_400_000)

    t.equal((await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode, 401)
    t.equal((await ada.withToken('GET', `/v1/users/${ada.id}`)).statusCode, 401)
    const { refreshToken } = ada
    const renewed = await inject(app, 'POST', '/v1/tokens/refresh', { refreshToken })
    t.equal(renewed.statusCode, 401)
    const entered = await inject(app, 'POST', '/v1/sessions', { email: ada.email, password })
    t.equal(entered.statusCode, 403)
    t.match(entered.json(), {
      type: '/problems/account-pending-deletion',
      eraseAfter: deletion.eraseAfter,
    })
    t.equal(
      (await bob.withCookie('GET', `/v1/users/${bob.id}`)).statusCode,
      200,
      'the neighbour stays',
    )
  },
)

t.test(
  'with a cookie, another account and an unknown id are both 404, and nothing is deleted',
  async (t) => {
    const { app } = await testApp(t, quiet)
    const [ada, eve] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'eve@example.com'),
    ]
    const refused = await eve.withCookie('DELETE', `/v1/users/${ada.id}`, { password })
    const unknown = await eve.withCookie('DELETE', '/v1/users/424242', { password })
    t.equal(refused.statusCode, 404)
    t.equal(refused.body, unknown.body)
    t.equal((await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode, 200)
  },
)

t.test(
  'an administrator deletes anyone, keeps the own cookie, and asks again in vain',
  async (t) => {
    const { app, db } = await testApp(t, quiet)
    const [ada, root] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'root@example.com'),
    ]
    await sql`update public.users set role = 'administrator' where id = ${root.id}`.execute(db)
    const asked = await root.withCookie('DELETE', `/v1/users/${ada.id}`)
    t.equal(asked.statusCode, 202)
    t.strictSame(asked.cookies, [])
    t.notOk('clear-site-data' in asked.headers, 'nor is the own browser cleared')
    const again = await root.withToken('DELETE', `/v1/users/${ada.id}`)
    t.equal(again.statusCode, 202)
    t.strictSame(again.json(), asked.json(), 'the same answer, the same date')
    t.equal((await root.withCookie('DELETE', '/v1/users/424242')).statusCode, 404)
    await sql`update public.sessions set authenticated_at = now() - interval '1 hour'`.execute(db)
    t.equal((await root.withCookie('DELETE', '/v1/users/424242')).statusCode, 404)
    t.equal(
      (await root.withCookie('DELETE', `/v1/users/${root.id}`)).statusCode,
      403,
      'a fresh log-in like everybody',
    )
  },
)

t.test(
  'an old log-in needs the password; a wrong one never passes; eraseNow always needs it',
  async (t) => {
    const { app, db } = await testApp(t, quiet)
    const ada = await createApiUser(app, 'ada@example.com')
    const url = `/v1/users/${ada.id}`
    const wrong = await ada.withCookie('DELETE', url, { password: 'wrong password' })
    t.equal(wrong.statusCode, 403)
    t.match(wrong.json(), { type: '/problems/wrong-password' }, 'though the log-in is fresh')
    const now = await ada.withCookie('DELETE', url, { eraseNow: true })
    t.match(now.json(), { type: '/problems/reauthentication-required', status: 403 })
    await sql`update public.sessions set authenticated_at = now() - interval '15 minutes 1 second'`.execute(
      db,
    )
    t.match((await ada.withCookie('DELETE', url)).json(), {
      type: '/problems/reauthentication-required',
    })
    const asked = await ada.withCookie('DELETE', url, { password, eraseNow: true })
    t.equal(asked.statusCode, 202)
    const { requestedAt, eraseAfter } = asked.json().deletion
    t.equal(eraseAfter, requestedAt)
  },
)

t.test('with REAUTHENTICATION_WINDOW=PT0S a deletion always needs the password', async (t) => {
  const { app } = await testApp(t, { env: { ...quiet.env, REAUTHENTICATION_WINDOW: 'PT0S' } })
  const ada = await createApiUser(app, 'ada@example.com')
  t.equal((await ada.withCookie('DELETE', `/v1/users/${ada.id}`)).statusCode, 403)
  t.equal((await ada.withCookie('DELETE', `/v1/users/${ada.id}`, { password })).statusCode, 202)
})

t.test('the preview counts the caller’s own rows and files only', async (t) => {
  const { app } = await testApp(t, quiet)
  const [ada, eve] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'eve@example.com'),
  ]
  await ada.withCookie('POST', `/v1/users/${ada.id}/passwords`, {
    site: 'a',
    username: 'b',
    password: 'c',
  })
  const preview = await ada.withCookie('GET', `/v1/users/${ada.id}/deletion/preview`)
  t.equal(preview.statusCode, 200)
  t.match(preview.json(), {
    tables: { users: 1, saved_passwords: 1, sessions: 2 },
    files: 0,
    bytes: 0,
  })
  t.equal((await eve.withCookie('GET', `/v1/users/${ada.id}/deletion/preview`)).statusCode, 404)
})

t.test('with an incomplete data map the preview answers 503', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    db,
  )
  const preview = await ada.withCookie('GET', `/v1/users/${ada.id}/deletion/preview`)
  t.equal(preview.statusCode, 503)
  t.match(preview.json(), {
    type: '/problems/unavailable',
    detail: /^We cannot say what an erasure would remove/,
  })
  t.notMatch(preview.body, 'notes')
})

t.test('the link in the mail cancels and restores everything but the sessions', async (t) => {
  const { app, db } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const entry = { site: 'bank.example', username: 'ada', password: 'hunter2' }
  await ada.withCookie('POST', `/v1/users/${ada.id}/passwords`, entry)
  const { deletion } = (await ada.withCookie('DELETE', `/v1/users/${ada.id}`)).json()
  const token = await cancelToken(db, keys, ada.id)
  const status = () => inject(app, 'POST', '/v1/deletions/status', { token })
  t.match((await status()).json(), {
    deletion: { ...deletion, export: { status: 'pending' } },
  })

  const cancelled = await inject(app, 'POST', '/v1/deletions/cancel', { token })
  t.equal(cancelled.statusCode, 200)
  t.strictSame(cancelled.json(), { deletion: { id: deletion.id, status: 'cancelled' } })
  t.match((await status()).json(), {
    deletion: { status: 'cancelled', cancelledAt: /Z$/, export: { status: 'withdrawn' } },
  })
  t.equal((await ada.withCookie('GET', `/v1/users/${ada.id}`)).statusCode, 401)
  const later = await logIn(app, ada.email, ada.id)
  t.match((await later.withCookie('GET', `/v1/users/${ada.id}/passwords`)).json(), {
    passwords: [entry],
  })

  const again = await inject(app, 'POST', '/v1/deletions/cancel', { token })
  t.equal(again.statusCode, 409)
  t.match(again.json(), { type: '/problems/deletion-not-pending', deletionStatus: 'cancelled' })
  for (const route of ['cancel', 'status']) {
    const unknown = await inject(app, 'POST', `/v1/deletions/${route}`, { token: 'x'.repeat(43) })
    t.equal(unknown.statusCode, 404)
    t.match(unknown.json(), { type: '/problems/deletion-not-found' })
  }
})

t.test(
  'after the date a cancel is accepted until the worker has claimed the deletion',
  async (t) => {
    const { app, db } = await testApp(t, { env: { ...quiet.env, GRACE_PERIOD: 'PT0S' } })
    const [ada, bob] = [
      await createApiUser(app, 'ada@example.com'),
      await createApiUser(app, 'bob@example.com'),
    ]
    await ada.withCookie('DELETE', `/v1/users/${ada.id}`)
    const token = await cancelToken(db, keys, ada.id)
    t.equal((await inject(app, 'POST', '/v1/deletions/cancel', { token })).statusCode, 200)

    await bob.withCookie('DELETE', `/v1/users/${bob.id}`)
    const late = await cancelToken(db, keys, bob.id)
    await sql`update public.exports set status = 'failed', token_nonce = null where user_id = ${bob.id}`.execute(
      db,
    )
    await sql`update public.deletions set status = 'erasing', claimed_at = now() where user_id = ${bob.id}`.execute(
      db,
    )
    const refused = await inject(app, 'POST', '/v1/deletions/cancel', { token: late })
    t.match(refused.json(), { status: 409, deletionStatus: 'erasing' })
    const byPassword = await inject(app, 'POST', '/v1/deletions/cancel', {
      email: bob.email,
      password,
    })
    t.match(byPassword.json(), { status: 409, deletionStatus: 'erasing' })
    const entered = await inject(app, 'POST', '/v1/sessions', { email: bob.email, password })
    t.equal(entered.statusCode, 401, 'being erased: as if it were not there')
  },
)

t.test('without a token, address and password cancel a deletion', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const cancel = (pass: string) =>
    inject(app, 'POST', '/v1/deletions/cancel', { email: ada.email, password: pass })
  t.match((await cancel(password)).json(), { status: 409, deletionStatus: 'none' })
  await ada.withCookie('DELETE', `/v1/users/${ada.id}`)
  t.match((await cancel('wrong password')).json(), { status: 401 })
  t.equal((await cancel(password)).statusCode, 200)
  t.equal((await logIn(app, ada.email, ada.id)).id, ada.id)
})

t.test('rejects a sign-up with the address of an account in its grace period', async (t) => {
  const { app } = await testApp(t, quiet)
  const ada = await createApiUser(app, 'ada@example.com')
  const taken = await inject(app, 'POST', '/v1/users', { email: ada.email, password })
  await ada.withCookie('DELETE', `/v1/users/${ada.id}`)
  const reserved = await inject(app, 'POST', '/v1/users', { email: ada.email, password })
  t.equal(reserved.statusCode, 409)
  t.equal(reserved.body, taken.body, 'with no word on which')
})

t.test('accepts at most ten deletion requests per account and hour', async (t) => {
  const { app, db } = await testApp(t)
  const [ada, root] = [
    await createApiUser(app, 'ada@example.com'),
    await createApiUser(app, 'root@example.com'),
  ]
  await sql`update public.users set role = 'administrator' where id = ${root.id}`.execute(db)
  for (let n = 0; n < 10; n++)
    t.equal((await root.withCookie('DELETE', `/v1/users/${ada.id}`)).statusCode, 202)
  const refused = await root.withCookie('DELETE', `/v1/users/${ada.id}`)
  t.equal(refused.statusCode, 429)
  t.ok(Number(refused.headers['retry-after']) > 60)
})
