import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  changePassword,
  endSession,
  findSession,
  findSessionByToken,
  getUser,
  listSessions,
  logIn,
  purgeExpiredSessions,
  refresh,
  setRole,
  signUp,
} from '../src/index.ts'
import { createTestContext, password } from '../testing/index.ts'

t.test('an address is taken whatever its case, and during the grace period', async (t) => {
  const f = await setup(t)
  const ada = await f.person('Ada@example.com')
  const again = () => signUp(f.db, f.keys, f.hasher, { email: 'aDA@EXAMPLE.com', password })
  await t.rejects(again(), { code: 'address-taken' })
  await f.request(ada)
  await t.rejects(again(), { code: 'address-taken' })
  await t.rejects(getUser(f.db, ada.user.id), { code: 'user-not-found' })
})

t.test('a wrong password and an unknown address get the same error', async (t) => {
  const f = await setup(t)
  await f.person('ada@example.com')
  const enter = (email: string, pass: string) =>
    logIn(f.db, f.keys, f.hasher, { email, password: pass, kind: 'cookie', ttl: 'P1D' })
  await t.rejects(enter('ada@example.com', 'wrong password'), { code: 'wrong-credentials' })
  await t.rejects(enter('nobody@example.com', password), { code: 'wrong-credentials' })
  await t.resolves(enter('ADA@example.com', password))
})

t.test(
  'the right credentials of a deactivated account return the erasure date, until the erasure begins',
  async (t) => {
    const f = await setup(t)
    const ada = await f.person('ada@example.com')
    const { eraseAfter } = await f.request(ada)
    await t.rejects(f.logIn('ada@example.com'), {
      code: 'account-pending-deletion',
      members: { eraseAfter },
    })
    await sql`update public.exports set status = 'failed', token_nonce = null`.execute(f.db)
    await sql`update public.deletions set requested_at = now(), erase_after = now(), status = 'erasing', claimed_at = now(), next_reminder_at = null`.execute(
      f.db,
    )
    await t.rejects(f.logIn('ada@example.com'), { code: 'wrong-credentials' })
  },
)

t.test('a refresh rotates the token; a used one ends the session', async (t) => {
  const f = await setup(t)
  await f.person('ada@example.com')
  const first = await f.logIn('ada@example.com', 'refresh')
  const second = await refresh(f.db, f.keys, first.token)
  t.equal(second.session.id, first.session.id)
  t.strictSame(second.session.authenticatedAt, first.session.authenticatedAt, 'and is no log-in')
  await t.rejects(refresh(f.db, f.keys, first.token), { code: 'unauthenticated' })
  t.equal(await findSession(f.db, first.session.id), undefined)
  await t.rejects(refresh(f.db, f.keys, second.token), { code: 'unauthenticated' })
})

t.test('a forged token ends no session', async (t) => {
  const f = await setup(t)
  await f.person('ada@example.com')
  const { session, token } = await f.logIn('ada@example.com', 'refresh')
  const forged = Buffer.from(token, 'base64url')
  forged[40] = (forged[40] ?? 0) ^ 1
  for (const bad of [forged.toString('base64url'), '', 'x', `${token}=`])
    await t.rejects(refresh(f.db, f.keys, bad), { code: 'unauthenticated' })
  t.match(await findSession(f.db, session.id), { id: session.id })
})

t.test('a session ends: by its owner, by time, by a change of the password', async (t) => {
  const f = await setup(t)
  const [ada, eve] = [await f.person('ada@example.com'), await f.person('eve@example.com')]
  await t.rejects(endSession(f.db, eve.user.id, ada.session.id), { code: 'session-not-found' })
  const other = await f.logIn('ada@example.com')
  t.equal((await listSessions(f.db, ada.user.id)).length, 2)

  const change = { currentPassword: password, newPassword: 'a new long password' }
  await t.rejects(
    changePassword(f.db, f.hasher, ada.session, { ...change, currentPassword: 'wrong' }),
    { code: 'wrong-password' },
  )
  await changePassword(f.db, f.hasher, ada.session, change)
  t.equal(await findSessionByToken(f.db, other.token), undefined)
  t.match(await findSessionByToken(f.db, ada.token), { userId: ada.user.id })
  t.match(await findSessionByToken(f.db, eve.token), { userId: eve.user.id })

  await sql`update public.sessions set expires_at = now() where user_id = ${eve.user.id}`.execute(
    f.db,
  )
  t.equal(await findSessionByToken(f.db, eve.token), undefined)
  await purgeExpiredSessions(f.db)
  t.strictSame(
    (await f.db.selectFrom('sessions').select('id').execute()).map(({ id }) => id),
    [ada.session.id],
  )
})

t.test('of two concurrent password changes, one wins', async (t) => {
  const f = await setup(t)
  const ada = await f.person('ada@example.com')
  const change = (newPassword: string) =>
    changePassword(f.db, f.hasher, ada.session, { currentPassword: password, newPassword })
  const changes = await Promise.allSettled([change('the first new one'), change('the second one')])
  t.strictSame(changes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
})

t.test('sets a role only for an active user', async (t) => {
  const f = await setup(t)
  const ada = await f.person('ada@example.com')
  t.equal(await setRole(f.db, 'ADA@example.com', 'administrator'), true)
  t.match(await findSessionByToken(f.db, ada.token), { role: 'administrator' })
  t.equal(await setRole(f.db, 'nobody@example.com', 'administrator'), false)
})

async function setup(t: Test) {
  const { db } = await testDb(t)
  return createTestContext(db)
}
