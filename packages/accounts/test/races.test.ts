import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { cancelDeletionByToken, claimDeletions } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  findSession,
  findSessionByToken,
  listSavedPasswords,
  putAvatar,
  refresh,
  savePassword,
} from '../src/index.ts'
import {
  breakerLimits,
  createTestContext,
  type Person,
  password,
  type TestContext,
} from '../testing/index.ts'

const png = Buffer.from('89504e470d0a1a0a', 'hex')

/** Writes of the person that run while the deletion begins. */
const writes: Record<string, (f: TestContext, who: Person, dir: string) => Promise<unknown>> = {
  'a log-in': (f, who) => f.logIn(who.user.email),
  'a refresh': (f, who) => refresh(f.db, f.keys, who.token),
  'a saved password': (f, who) =>
    savePassword(f.db, f.keys, who.user.id, { site: 'x', username: 'y', password: 'z' }),
  'an avatar': (f, who, dir) => putAvatar(f.db, dir, who.user.id, { type: 'image/png', body: png }),
}

for (const [name, write] of Object.entries(writes)) {
  t.test(`${name} under way when the deletion comes leaves nothing behind`, async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db)
    const dir = await folder(t)
    await f.person('ada@example.com')
    const ada = await f.logIn('ada@example.com', 'refresh')
    const asking = await f.logIn('ada@example.com')

    // Both queue for the user's row: the deletion first, then the write.
    const line = await holdRow(db, ada.user.id)
    const deleted = f.requestFor(asking, ada.user.id)
    await waitForQueuedLocks(db, 1)
    const under = write(f, ada, dir).then(
      () => 'written',
      (error) => error.code,
    )
    await waitForQueuedLocks(db, 2)
    await line.release()
    await deleted

    t.not(await under, 'written')
    t.strictSame(await db.selectFrom('sessions').select('id').execute(), [])
    t.strictSame(await db.selectFrom('saved_passwords').select('id').execute(), [])
    t.strictSame(await db.selectFrom('avatars').select('user_id').execute(), [])
    t.strictSame(await readdir(dir), [])
  })
}

t.test(
  'an earlier session is rejected from the moment of the answer, and after a cancel too',
  async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db)
    const ada = await f.person()
    const api = await f.logIn(ada.user.email, 'refresh')
    const { id } = await f.request(ada)
    const dead = async () => {
      t.equal(await findSessionByToken(db, ada.token), undefined)
      t.equal(await findSession(db, api.session.id), undefined)
      await t.rejects(refresh(db, f.keys, api.token), { code: 'unauthenticated' })
    }
    await dead()
    await cancelDeletionByToken(db, await f.cancelToken(id))
    await dead()
  },
)

t.test(
  'of a cancel and a claim at the same moment exactly one wins, two hundred times',
  async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db, 'PT0S')
    const { user } = await f.person()
    const outcomes = { cancelled: 0, claimed: 0 }
    for (let round = 0; round < 200; round++) {
      const { id } = await f.request(await enter(f, user.id))
      const lease = randomUUID()
      await sql`update public.exports set status = 'failed', token_nonce = null where status = 'pending'`.execute(
        db,
      )
      await sql`update public.deletions set lease = ${lease} where id = ${id}`.execute(db)
      const token = await f.cancelToken(id)
      const [cancel, claim] = await Promise.all([
        cancelDeletionByToken(db, token).then(
          () => true,
          () => false,
        ),
        claimDeletions(db, lease, breakerLimits).then(({ deletions }) => deletions.length === 1),
      ])
      if (cancel === claim) t.fail(`both or neither won in round ${round}`)
      const { active } = await db
        .selectFrom('users')
        .select('active')
        .where('id', '=', user.id)
        .executeTakeFirstOrThrow()
      if (active !== cancel) t.fail(`the account is not what the winner says in round ${round}`)
      outcomes[cancel ? 'cancelled' : 'claimed']++
      await sql`update public.deletions set status = 'cancelled', cancelled_at = now(), claimed_at = null, token_nonce = null`.execute(
        db,
      )
      await sql`update public.users set active = true`.execute(db)
    }
    t.comment(outcomes)
    t.equal(outcomes.cancelled + outcomes.claimed, 200)
  },
)

t.test('two administrators who delete each other at once do not deadlock', async (t) => {
  const { db } = await testDb(t)
  const f = await createTestContext(db)
  await f.person('a@example.com')
  await f.person('b@example.com')
  await sql`update public.users set role = 'administrator'`.execute(db)
  const [a, b] = [await f.logIn('a@example.com'), await f.logIn('b@example.com')]
  const ask = (who: Person, whom: Person) =>
    f.requestFor(who, whom.user.id).then(
      () => 'deleted',
      (error) => error.code,
    )
  const answers = await Promise.all([ask(a, b), ask(b, a)])
  t.strictSame(answers.sort(), ['deleted', 'unauthenticated'])
})

t.test('a saved password survives a cancel', async (t) => {
  const { db } = await testDb(t)
  const f = await createTestContext(db)
  const ada = await f.person()
  await savePassword(db, f.keys, ada.user.id, { site: 'x', username: 'y', password: 'z' })
  const { id } = await f.request(ada, { password })
  await cancelDeletionByToken(db, await f.cancelToken(id))
  t.match(await listSavedPasswords(db, f.keys, ada.user.id), [
    { site: 'x', username: 'y', password: 'z' },
  ])
})

/** Locks a user's row until `release`, so that all other transactions queue for it. */
async function holdRow(db: Db, userId: number) {
  const open = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const done = db.transaction().execute(async (tx) => {
    await tx.selectFrom('users').select('id').where('id', '=', userId).forUpdate().execute()
    locked.resolve()
    await open.promise
  })
  await locked.promise
  return {
    async release() {
      open.resolve()
      await done
    },
  }
}

/** Waits until this many connections queue for a lock. */
async function waitForQueuedLocks(db: Db, connections: number): Promise<void> {
  await until(`${connections} connections wait for a lock`, async () => {
    const { rows } = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
      db,
    )
    return rows.length === connections
  })
}

async function enter(f: TestContext, userId: number) {
  const { email } = await f.db
    .selectFrom('users')
    .select('email')
    .where('id', '=', userId)
    .executeTakeFirstOrThrow()
  return f.logIn(email)
}

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(() => rm(dir, { recursive: true }))
  return dir
}
