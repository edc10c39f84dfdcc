import { randomUUID } from 'node:crypto'
import { testDb } from '@lethe/db/testing'
import {
  cancelDeletionByToken,
  claimDeletions,
  deletionStatus,
  finishErasure,
  publishArchives,
} from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { planErasure } from '../src/index.ts'
import { breakerLimits, createTestContext, type TestContext } from '../testing/index.ts'

const lease = randomUUID()

t.test('claims nothing before its date, before its export, or after a cancel', async (t) => {
  const f = await setup(t, 'PT0S')
  const due = await f.request(await f.person())
  t.strictSame(await claim(f, due.id), [], 'its export is not made')
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(f.db)

  const early = await f.request(await f.person(), {}, 'PT1H')
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(f.db)
  t.strictSame(await claim(f, early.id), [], 'its date has not come')

  const cancelled = await f.request(await f.person())
  await cancelDeletionByToken(f.db, await f.cancelToken(cancelled.id))
  t.strictSame(await claim(f, cancelled.id), [], 'it is cancelled')

  t.strictSame(await claim(f, due.id), [due.id])
})

t.test('an export that is an hour overdue no longer delays the erasure', async (t) => {
  const f = await setup(t, 'PT0S')
  const { id } = await f.request(await f.person())
  await sql`update public.deletions set requested_at = requested_at - interval '61 minutes',
    erase_after = erase_after - interval '61 minutes'`.execute(f.db)
  t.strictSame(await claim(f, id), [id])
  t.match(await f.db.selectFrom('exports').select('status').execute(), [{ status: 'failed' }])
})

t.test('an erasure leaves a tombstone, the neighbor, and one mail with an address', async (t) => {
  const f = await setup(t, 'PT0S')
  const [ada, bob] = [await f.person('ada@example.com'), await f.person('bob@example.com')]
  const cancelled = await f.request(ada)
  const oldToken = await f.cancelToken(cancelled.id)
  await cancelDeletionByToken(f.db, oldToken)
  const deletion = await f.request(await f.logIn('ada@example.com'))
  const token = await f.cancelToken(deletion.id)
  await f.publishArchive(deletion.id)
  const picture = { file_name: 'face.png', content_type: 'image/png' as const }
  await f.db
    .insertInto('avatars')
    .values([
      { user_id: ada.user.id, bytes: 10, ...picture },
      { user_id: bob.user.id, bytes: 7, ...picture },
    ])
    .execute()
  const before = await rowsOf(f, bob.user.id)

  await sql`update public.deletions set lease = ${lease} where id = ${deletion.id}`.execute(f.db)
  const claimed = await claimDeletions(f.db, lease, breakerLimits)
  await t.rejects(cancelDeletionByToken(f.db, token), {
    code: 'deletion-not-pending',
    members: { deletionStatus: 'erasing' },
  })
  t.strictSame(await finishErasure(f.db, await planErasure(f.db), claimed), [deletion.id])
  t.strictSame(
    await finishErasure(f.db, await planErasure(f.db), claimed),
    [],
    'a second run finds nothing to do',
  )

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

t.test('unsent mails keep the address, whatever deletion they are about', async (t) => {
  const f = await setup(t, 'PT0S')
  const ada = await f.person('ada@example.com')
  const cancelled = await f.request(ada)
  await cancelDeletionByToken(f.db, await f.cancelToken(cancelled.id))
  const { id } = await f.request(await f.logIn('ada@example.com'))
  await f.publishArchive(id)
  await sql`update public.outbox set status = 'sent', finished_at = now() where mail = 'deletion-scheduled'`.execute(
    f.db,
  )
  await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  await finishErasure(
    f.db,
    await planErasure(f.db),
    await claimDeletions(f.db, lease, breakerLimits),
  )
  const mails = await f.db
    .selectFrom('outbox')
    .select(['mail', 'status', 'address'])
    .orderBy('created_at')
    .execute()
  const waiting = { status: 'pending', address: 'ada@example.com' }
  t.strictSame(
    mails.filter(({ status }) => status === 'pending'),
    [
      { mail: 'deletion-cancelled', ...waiting },
      { mail: 'export-ready', ...waiting },
      { mail: 'account-erased', ...waiting },
    ],
  )
  t.ok(mails.every(({ status, address }) => status === 'pending' || address === null))
})

t.test('no row names an erased user any more', async (t) => {
  const f = await setup(t, 'PT0S')
  const { id } = await f.request(await f.person())
  await f.publishArchive(id)
  await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  await finishErasure(
    f.db,
    await planErasure(f.db),
    await claimDeletions(f.db, lease, breakerLimits),
  )
  for (const table of ['exports', 'deletions'] as const)
    t.strictSame(await f.db.selectFrom(table).select('user_id').execute(), [{ user_id: null }])
})

t.test('an export that was given up is not published, even if its worker finishes', async (t) => {
  const f = await setup(t)
  await f.request(await f.person())
  await sql`update public.exports set status = 'failed', token_nonce = null, lease = ${lease}`.execute(
    f.db,
  )
  const { id } = await f.db.selectFrom('exports').select('id').executeTakeFirstOrThrow()
  const archive = { fileName: `${'a'.repeat(64)}.zip`, bytes: 10, sha256: Buffer.alloc(32) }
  t.strictSame(await publishArchives(f.db, lease, [{ exportId: id, ...archive }], 'P7D'), [false])
})

t.test('a worker that lost its lease erases nothing', async (t) => {
  const f = await setup(t, 'PT0S')
  const { id } = await f.request(await f.person())
  await f.publishArchive(id)
  await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const lost = await claimDeletions(f.db, lease, breakerLimits)
  await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const taken = await claimDeletions(f.db, lease, breakerLimits)
  t.strictSame(await finishErasure(f.db, await planErasure(f.db), lost), [])
  t.equal((await f.db.selectFrom('users').select('id').execute()).length, 1)
  t.strictSame(await finishErasure(f.db, await planErasure(f.db), taken), [id])
})

async function setup(t: Test, gracePeriod?: string): Promise<TestContext> {
  const { db } = await testDb(t)
  return createTestContext(db, gracePeriod)
}

async function claim(f: TestContext, id: string): Promise<string[]> {
  const lease = randomUUID()
  await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(f.db)
  const { deletions } = await claimDeletions(f.db, lease, breakerLimits)
  return deletions.map((claimed) => claimed.id)
}

async function rowsOf(f: TestContext, userId: number) {
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
