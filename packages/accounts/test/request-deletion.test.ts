import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { createTestContext, password, type TestContext } from '../testing/index.ts'

t.test(
  'a request deactivates the account, ends all sessions and writes the deletion, export and mail',
  async (t) => {
    const f = await setup(t)
    const ada = await f.person()
    await f.logIn(ada.user.email, 'refresh')
    const deletion = await f.request(ada)

    t.equal(deletion.status, 'pending')
    t.equal(deletion.eraseAfter.getTime() - deletion.requestedAt.getTime(), 27 * 24 * 3600_000)
    t.strictSame(await f.db.selectFrom('sessions').selectAll().execute(), [])
    t.strictSame(await f.db.selectFrom('active_users').selectAll().execute(), [])
    t.match(await f.db.selectFrom('outbox').selectAll().execute(), [
      { mail: 'deletion-scheduled', deletion_id: deletion.id, status: 'pending', address: null },
    ])
    t.match(await f.db.selectFrom('exports').selectAll().execute(), [
      { deletion_id: deletion.id, status: 'pending' },
    ])
    t.match(await f.db.selectFrom('audit_events').selectAll().execute(), [
      { deletion_id: deletion.id, event: 'deletion.requested', details: { by: 'owner' } },
    ])
  },
)

t.test('only the owner and an administrator can request a deletion', async (t) => {
  const f = await setup(t)
  const [ada, eve] = [await f.person(), await f.person()]
  await t.rejects(f.requestFor(eve, ada.user.id), { code: 'not-authorized' })
  await t.rejects(f.requestFor(eve, 4_000_000), { code: 'not-authorized' })
  t.equal((await f.db.selectFrom('active_users').selectAll().execute()).length, 2)

  await f.db
    .updateTable('users')
    .set({ role: 'administrator' })
    .where('id', '=', eve.user.id)
    .execute()
  const root = await f.logIn(eve.user.email)
  await t.rejects(f.requestFor(root, 4_000_000), { code: 'user-not-found' })
  const first = await f.requestFor(root, ada.user.id)
  t.strictSame(await f.requestFor(root, ada.user.id), first, 'asked again: the same, the same date')
  t.match(
    await f.db.selectFrom('audit_events').select('details').execute(),
    [{ details: { by: 'administrator' } }],
    'and noted once',
  )
})

t.test('a request fails if the administrator lost the role meanwhile', async (t) => {
  const f = await setup(t)
  const [ada, eve] = [await f.person(), await f.person()]
  const stale = { ...eve, session: { ...eve.session, role: 'administrator' as const } }
  await t.rejects(f.requestFor(stale, ada.user.id), { code: 'not-authorized' })
})

t.test('an old log-in needs the password, and eraseNow always does', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  await t.rejects(f.request(ada, { eraseNow: true }), { code: 'reauthentication-required' })
  await sql`update public.sessions set authenticated_at = now() - interval '16 minutes'`.execute(
    f.db,
  )
  await t.rejects(f.request(ada), { code: 'reauthentication-required' })
  await t.rejects(f.request(ada, { password: 'wrong password' }), { code: 'wrong-password' })
  const deletion = await f.request(ada, { password, eraseNow: true })
  t.strictSame(deletion.eraseAfter, deletion.requestedAt)
})

async function setup(t: Test, gracePeriod?: string): Promise<TestContext> {
  const { db } = await testDb(t)
  return createTestContext(db, gracePeriod)
}
