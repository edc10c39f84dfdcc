import { randomUUID } from 'node:crypto'
import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  cancelDeletionByPassword,
  cancelDeletionByToken,
  claimDeletions,
  deletionStatus,
  deletionToken,
  finishErasure,
  finishExport,
  requestDeletion,
  stageReminders,
} from '../src/index.ts'
import { type Fixture, fixture, type Person, password } from '../src/testing.ts'

t.test('a request deactivates, ends all sessions and writes everything that follows', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  await f.logIn(ada.user.email, 'refresh')
  const deletion = await request(f, ada)

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
})

t.test('nobody but the owner and an administrator can ask', async (t) => {
  const f = await setup(t)
  const [ada, eve] = [await f.person(), await f.person()]
  await t.rejects(requestFor(f, eve, ada.user.id), { code: 'not-authorized' })
  await t.rejects(requestFor(f, eve, 4_000_000), { code: 'not-authorized' })
  t.equal((await f.db.selectFrom('active_users').selectAll().execute()).length, 2)

  await f.db
    .updateTable('users')
    .set({ role: 'administrator' })
    .where('id', '=', eve.user.id)
    .execute()
  const root = await f.logIn(eve.user.email)
  await t.rejects(requestFor(f, root, 4_000_000), { code: 'user-not-found' })
  const first = await requestFor(f, root, ada.user.id)
  t.strictSame(
    await requestFor(f, root, ada.user.id),
    first,
    'asked again: the same, the same date',
  )
  t.match(
    await f.db.selectFrom('audit_events').select('details').execute(),
    [{ details: { by: 'administrator' } }],
    'and noted once',
  )
})

t.test('a role taken away meanwhile is seen in the act itself', async (t) => {
  const f = await setup(t)
  const [ada, eve] = [await f.person(), await f.person()]
  const stale = { ...eve, session: { ...eve.session, role: 'administrator' as const } }
  await t.rejects(requestFor(f, stale, ada.user.id), { code: 'not-authorized' })
})

t.test('an old log-in needs the password, and eraseNow always does', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  await t.rejects(request(f, ada, { eraseNow: true }), { code: 'reauthentication-required' })
  await sql`update sessions set authenticated_at = now() - interval '16 minutes'`.execute(f.db)
  await t.rejects(request(f, ada), { code: 'reauthentication-required' })
  await t.rejects(request(f, ada, { password: 'wrong password' }), { code: 'wrong-password' })
  const deletion = await request(f, ada, { password, eraseNow: true })
  t.strictSame(deletion.eraseAfter, deletion.requestedAt)
})

t.test('a cancel gives back exactly what was there, and the old sessions stay dead', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const before = await f.db.selectFrom('users').selectAll().execute()
  const deletion = await request(f, ada)
  const token = await mailedToken(f, deletion.id)

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

t.test('whoever lost the mail cancels with the password', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const { email } = ada.user
  const cancel = (pass: string) =>
    cancelDeletionByPassword(f.db, f.hasher, { email, password: pass })
  await t.rejects(cancel(password), {
    code: 'deletion-not-pending',
    members: { deletionStatus: 'none' },
  })
  await request(f, ada)
  await t.rejects(cancel('wrong password'), { code: 'wrong-credentials' })
  t.match(await cancel(password), { status: 'cancelled' })
})

t.test(
  'nothing is claimed before its date, nor before its export, nor after a cancel',
  async (t) => {
    const f = await setup(t, 'PT0S')
    const due = await request(f, await f.person())
    t.strictSame(await claim(f, due.id), [], 'its export is not made')
    await sql`update exports set status = 'failed', token_nonce = null`.execute(f.db)

    const early = await requestDeletion(
      f.db,
      f.keys,
      f.hasher,
      (await f.person()).session,
      { userId: await lastUser(f) },
      { ...f.rules, gracePeriod: 'PT1H' },
    )
    await sql`update exports set status = 'failed', token_nonce = null`.execute(f.db)
    t.strictSame(await claim(f, early.id), [], 'its date has not come')

    const cancelled = await request(f, await f.person())
    await cancelDeletionByToken(f.db, await mailedToken(f, cancelled.id))
    t.strictSame(await claim(f, cancelled.id), [], 'it is cancelled')

    t.strictSame(await claim(f, due.id), [due.id])
  },
)

t.test('an export that is an hour overdue no longer holds the erasure up', async (t) => {
  const f = await setup(t, 'PT0S')
  const { id } = await request(f, await f.person())
  await sql`update deletions set requested_at = requested_at - interval '61 minutes',
    erase_after = erase_after - interval '61 minutes'`.execute(f.db)
  t.strictSame(await claim(f, id), [id])
  t.match(await f.db.selectFrom('exports').select('status').execute(), [{ status: 'failed' }])
})

t.test('an erasure leaves a tombstone, the neighbour, and one mail with an address', async (t) => {
  const f = await setup(t, 'PT0S')
  const [ada, bob] = [await f.person('ada@example.com'), await f.person('bob@example.com')]
  const cancelled = await request(f, ada)
  const oldToken = await mailedToken(f, cancelled.id)
  await cancelDeletionByToken(f.db, oldToken)
  const deletion = await request(f, await f.logIn('ada@example.com'))
  const token = await mailedToken(f, deletion.id)
  await made(f, deletion.id)
  const picture = { file_name: 'face.png', content_type: 'image/png' as const }
  await f.db
    .insertInto('avatars')
    .values([
      { user_id: ada.user.id, bytes: 10, ...picture },
      { user_id: bob.user.id, bytes: 7, ...picture },
    ])
    .execute()
  const before = await rowsOf(f, bob.user.id)

  await sql`update deletions set lease = ${lease} where id = ${deletion.id}`.execute(f.db)
  const claimed = await claimDeletions(f.db, lease)
  await t.rejects(cancelDeletionByToken(f.db, token), {
    code: 'deletion-not-pending',
    members: { deletionStatus: 'erasing' },
  })
  t.strictSame(await finishErasure(f.db, claimed), [deletion.id])
  t.strictSame(await finishErasure(f.db, claimed), [], 'a second run finds nothing to do')

  t.match(await f.db.selectFrom('deletions').selectAll().where('id', '=', deletion.id).execute(), [
    {
      status: 'erased',
      user_id: null,
      token_nonce: null,
      erased_counts: { files: 1, bytes: 10, tables: { avatars: 1, users: 1 } },
    },
  ])
  t.strictSame(
    await f.db.selectFrom('deletions').select('id').where('user_id', '=', ada.user.id).execute(),
    [],
  )
  t.match(
    await f.db
      .selectFrom('outbox')
      .select(['mail', 'address'])
      .where('mail', '=', 'account-erased')
      .execute(),
    [{ mail: 'account-erased', address: 'ada@example.com' }],
  )
  t.match(await deletionStatus(f.db, token), { status: 'erased', export: { status: 'ready' } })
  t.strictSame(await rowsOf(f, bob.user.id), before)
  t.match(
    await f.db.selectFrom('audit_events').select('event').orderBy('id', 'desc').limit(1).execute(),
    [{ event: 'deletion.erased' }],
  )
})

t.test('a worker that lost its lease erases nothing', async (t) => {
  const f = await setup(t, 'PT0S')
  const { id } = await request(f, await f.person())
  await made(f, id)
  await sql`update deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const lost = await claimDeletions(f.db, lease)
  await sql`update deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const taken = await claimDeletions(f.db, lease)
  t.strictSame(await finishErasure(f.db, lost), [])
  t.equal((await f.db.selectFrom('users').select('id').execute()).length, 1)
  t.strictSame(await finishErasure(f.db, taken), [id])
})

t.test('reminders: seven days before, one day before, none for a short grace period', async (t) => {
  const f = await setup(t)
  const { id } = await request(f, await f.person())
  const short = await requestDeletion(
    f.db,
    f.keys,
    f.hasher,
    (await f.person()).session,
    { userId: await lastUser(f) },
    { ...f.rules, gracePeriod: 'PT20H' },
  )
  const pass = async (days: number) => {
    const gap = `${days} days`
    await sql`update deletions set requested_at = requested_at - ${gap}::interval,
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

const lease = randomUUID()

async function setup(t: Test, gracePeriod?: string): Promise<Fixture> {
  const { db } = await testDb(t)
  return fixture(db, gracePeriod)
}

function request(f: Fixture, who: Person, more: { password?: string; eraseNow?: boolean } = {}) {
  return requestFor(f, who, who.user.id, more)
}

function requestFor(
  f: Fixture,
  who: Person,
  userId: number,
  more: { password?: string; eraseNow?: boolean } = {},
) {
  return requestDeletion(f.db, f.keys, f.hasher, who.session, { userId, ...more }, f.rules)
}

async function claim(f: Fixture, id: string): Promise<string[]> {
  const lease = randomUUID()
  await sql`update deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const { deletions } = await claimDeletions(f.db, lease)
  return deletions.map((claimed) => claimed.id)
}

/** The token that the mail of this deletion carries. */
async function mailedToken(f: Fixture, id: string): Promise<string> {
  const { token_nonce } = await f.db
    .selectFrom('deletions')
    .select('token_nonce')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (!token_nonce) throw new Error('the deletion is over')
  return deletionToken(f.keys, token_nonce)
}

async function made(f: Fixture, deletionId: string): Promise<void> {
  const { id } = await f.db
    .updateTable('exports')
    .set({ lease })
    .where('deletion_id', '=', deletionId)
    .returning('id')
    .executeTakeFirstOrThrow()
  const archive = { fileName: `${'a'.repeat(64)}.zip`, bytes: 10, sha256: Buffer.alloc(32) }
  if (!(await finishExport(f.db, { exportId: id, lease, ...archive }, 'P7D')))
    throw new Error('the export was not made')
}

async function lastUser(f: Fixture): Promise<number> {
  const { id } = await f.db
    .selectFrom('users')
    .select('id')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return id
}

async function rowsOf(f: Fixture, userId: number) {
  return {
    users: await f.db.selectFrom('users').selectAll().where('id', '=', userId).execute(),
    sessions: await f.db.selectFrom('sessions').selectAll().where('user_id', '=', userId).execute(),
    keys: await f.db
      .selectFrom('vault.person_keys')
      .selectAll()
      .where('user_id', '=', userId)
      .execute(),
  }
}
