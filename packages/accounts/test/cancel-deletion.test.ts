import { testDb } from '@lethe/db/testing'
import { cancelDeletionByToken, deletionStatus, stageReminders } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { cancelDeletionByPassword } from '../src/index.ts'
import { createTestContext, password, type TestContext } from '../testing/index.ts'

t.test('a cancel restores exactly what was there, and old sessions stay ended', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const before = await f.db.selectFrom('users').selectAll().execute()
  const deletion = await f.request(ada)
  const token = await f.cancelToken(deletion.id)

  t.match(await cancelDeletionByToken(f.db, token), { id: deletion.id, status: 'cancelled' })
  t.strictSame(await f.db.selectFrom('users').selectAll().execute(), before)
  t.strictSame(await f.db.selectFrom('sessions').selectAll().execute(), [])
  t.match(await deletionStatus(f.db, token), {
    status: 'cancelled',
    export: { status: 'withdrawn' },
  })
  t.strictSame(
    (await f.db.selectFrom('outbox').select('mail').orderBy('created_at').execute()).map(
      (o) => o.mail,
    ),
    ['deletion-scheduled', 'deletion-cancelled'],
  )
  await t.rejects(cancelDeletionByToken(f.db, token), {
    code: 'deletion-not-pending',
    members: { deletionStatus: 'cancelled' },
  })
  await t.rejects(cancelDeletionByToken(f.db, 'never given out'), { code: 'deletion-not-found' })
  await t.resolves(f.logIn(ada.user.email))
})

t.test('a person who lost the mail cancels with the password', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const { email } = ada.user
  const cancel = (pass: string) =>
    cancelDeletionByPassword(f.db, f.hasher, { email, password: pass })
  await t.rejects(cancel(password), {
    code: 'deletion-not-pending',
    members: { deletionStatus: 'none' },
  })
  await f.request(ada)
  await t.rejects(cancel('wrong password'), { code: 'wrong-credentials' })
  t.match(await cancel(password), { status: 'cancelled' })
})

t.test('reminders: seven days before, one day before, none for a short grace period', async (t) => {
  const f = await setup(t)
  const { id } = await f.request(await f.person())
  const short = await f.request(await f.person(), {}, 'PT20H')
  const pass = async (days: number) => {
    const gap = `${days} days`
    await sql`update public.deletions set requested_at = requested_at - ${gap}::interval,
      erase_after = erase_after - ${gap}::interval, next_reminder_at = next_reminder_at - ${gap}::interval
      where id = ${id}`.execute(f.db)
    return stageReminders(f.db)
  }
  t.equal(await pass(19), 0)
  t.equal(await pass(1.1), 1)
  t.equal(await pass(5), 0, 'not again')
  t.equal(await pass(1), 1)
  t.equal(await pass(1), 0)
  t.match(
    await f.db.selectFrom('outbox').select('id').where('deletion_id', '=', short.id).execute(),
    [{}],
  )
})

async function setup(t: Test, gracePeriod?: string): Promise<TestContext> {
  const { db } = await testDb(t)
  return createTestContext(db, gracePeriod)
}
