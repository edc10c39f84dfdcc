import { randomUUID } from 'node:crypto'
import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { cancelDeletionByToken, claimDeletions, finishErasure } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { planErasure } from '../src/index.ts'
import {
  breakerLimits,
  createTestContext,
  type Person,
  type TestContext,
} from '../testing/index.ts'

t.test(
  'from the claim on, the database rejects every new row of the person, whatever writes it',
  async (t) => {
    const f = await setup(t)
    const [ada, bob] = [await f.person(), await f.person()]
    await save(f.db, bob.user.id)
    const { id } = await due(f, ada)
    await save(f.db, ada.user.id)
    t.pass('as long as a cancel is possible, it takes what another service brings')
    const claim = await claimed(f, id)
    const refused = { code: 'LT001', message: /nothing may be written any more/, detail: undefined }
    await t.rejects(save(f.db, ada.user.id), refused)
    await t.rejects(
      sql`update public.saved_passwords set user_id = ${ada.user.id}`.execute(f.db),
      refused,
    )
    await t.rejects(
      f.db
        .insertInto('sessions')
        .values({
          user_id: ada.user.id,
          kind: 'cookie',
          token_hash: Buffer.alloc(32),
          expires_at: new Date(),
        })
        .execute(),
      refused,
    )
    await save(f.db, bob.user.id)
    t.equal((await finishErasure(f.db, await planErasure(f.db), claim)).length, 1)
    await t.rejects(save(f.db, ada.user.id), refused, 'nor when they are gone')
    t.same(await counts(f.db, id), { ...nothing, saved_passwords: 1, users: 1 })
  },
)

t.test('a cancel allows writes of the person again', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const { id } = await f.request(ada)
  await cancelDeletionByToken(f.db, await f.cancelToken(id))
  await save(f.db, ada.user.id)
})

t.test('an erasure waits briefly for an earlier writer, and then retries later', async (t) => {
  const f = await setup(t)
  const ada = await f.person()
  const { id } = await due(f, ada)
  const wrote = Promise.withResolvers<void>()
  const commit = Promise.withResolvers<void>()
  const slow = f.db.transaction().execute(async (tx) => {
    await save(tx, ada.user.id)
    wrote.resolve()
    await commit.promise
  })
  await wrote.promise
  const claim = await claimed(f, id)
  const plan = await planErasure(f.db)
  await t.rejects(finishErasure(f.db, plan, claim), { code: '55P03' }, 'no lock is waited for long')
  t.equal((await counts(f.db, id))?.users, undefined, 'and nothing is done')
  commit.resolve()
  await slow
  await finishErasure(f.db, plan, claim)
  t.same(await counts(f.db, id), { ...nothing, saved_passwords: 1, users: 1 }, 'its row is found')
})

t.test(
  'ten concurrent writers leave nothing behind, and each of their rows is counted',
  async (t) => {
    const f = await setup(t)
    const ada = await f.person()
    const { id } = await due(f, ada)
    const hammer = connect(f.url, { max: 10 })
    t.teardown(() => hammer.destroy())
    let taken = 0
    const codes = new Set<unknown>()
    const over = new AbortController()
    const writers = Array.from({ length: 10 }, async () => {
      while (!over.signal.aborted) {
        await save(hammer, ada.user.id).then(
          () => taken++,
          ({ code }) => codes.add(code),
        )
      }
    })
    await until('a hundred rows are written', () => taken >= 100)
    const claim = await claimed(f, id)
    const plan = await planErasure(f.db)
    await until('the person is erased', async () => {
      const erased = await finishErasure(f.db, plan, claim).catch(({ code }) => {
        t.equal(code, '55P03', 'at worst it is left for later')
        return []
      })
      return erased.length > 0
    })
    over.abort()
    await Promise.all(writers)
    t.same([...codes], ['LT001'], 'they were refused, and in no other way')
    const { rows } = await sql<{
      n: number
    }>`select count(*) as n from public.saved_passwords`.execute(f.db)
    t.equal(rows[0]?.n, 0)
    t.equal((await counts(f.db, id))?.saved_passwords, taken)
  },
)

const nothing = { 'vault.person_keys': 1, saved_passwords: 0, sessions: 0, avatars: 0 }

interface Setup extends TestContext {
  url: string
}

async function setup(t: Test): Promise<Setup> {
  const { db, url } = await testDb(t)
  return { ...(await createTestContext(db)), url }
}

/** Writes like another service that does not know the rules of Lethe. */
async function save(db: Db, userId: number): Promise<void> {
  await sql`insert into public.saved_passwords (id, user_id, site, username, secret)
    values (gen_random_uuid(), ${userId}, 's', 'u', ${Buffer.alloc(30)})`.execute(db)
}

async function due(f: Setup, person: Person) {
  const deletion = await f.request(person, {}, 'PT0S')
  await f.publishArchive(deletion.id)
  return deletion
}

async function claimed(f: Setup, id: string) {
  const lease = randomUUID()
  await f.db.updateTable('deletions').set({ lease }).where('id', '=', id).execute()
  return claimDeletions(f.db, lease, breakerLimits)
}

async function counts(db: Db, id: string): Promise<Record<string, number> | undefined> {
  const row = await db
    .selectFrom('deletions')
    .select('erased_counts')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return row.erased_counts?.tables
}
