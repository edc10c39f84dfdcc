import { testDb } from '@lethe/db/testing'
import { countRows, eraseRows, type IncompleteDataMapError, makePlan } from '@lethe/erasure'
import { sql } from 'kysely'
import t from 'tap'
import { dataMap } from '../src/index.ts'

t.test('the data map covers every table and column, and a plan can be made', async (t) => {
  const { db } = await testDb(t)
  const { steps } = await makePlan(db, dataMap)
  const order = steps.map((step) => (step.rule === 'delete' ? step.tables.join() : ''))
  t.equal(order[0], 'vault.person_keys', 'what opens the passwords goes first')
  t.equal(order.at(-1), 'users')
  t.same(
    new Set(order),
    new Set(['avatars', 'saved_passwords', 'sessions', 'users', 'vault.person_keys']),
  )
})

t.test('the error names a table that the map omits, with the line to add', async (t) => {
  for (const column of [
    'user_id bigint not null references public.users on delete cascade',
    'user_id bigint',
  ]) {
    const { db } = await testDb(t)
    await sql.raw(`create table public.notes (${column}, body text)`).execute(db)
    await sql`create index on public.notes (user_id)`.execute(db)
    const { message } = await refused(makePlan(db, dataMap))
    t.match(message, /^notes/)
    t.match(
      message,
      "notes: { description: '…', references: { user_id: 'delete' }, columns: { user_id: { description: '…', export: 'user_id' }, body: { description: '…', export: 'body' } } }",
    )
    t.notMatch(message, '\n', 'and nothing else is wrong')
  }
})

t.test('the error names a column that the map omits', async (t) => {
  const { db } = await testDb(t)
  await sql`alter table public.users add phone text`.execute(db)
  const { message } = await refused(makePlan(db, dataMap))
  t.equal(
    message,
    "users.phone: it belongs to a person and is not in the data map; add phone: { description: '…', export: 'phone' }",
  )
})

t.test('an erasure deletes exactly the counted rows, of these people only', async (t) => {
  const { db } = await testDb(t)
  const [ada, bob, eve] = [await person(), await person(), await person()]
  async function person() {
    const { id } = await db
      .insertInto('users')
      .values({ email: `${crypto.randomUUID()}@example.com`, password_hash: '$argon2id$' })
      .returning('id')
      .executeTakeFirstOrThrow()
    await sql`insert into public.saved_passwords (id, user_id, site, username, secret)
      select gen_random_uuid(), ${id}, 's', 'u', repeat('x', 30)::bytea from generate_series(1, 3)`.execute(
      db,
    )
    await sql`insert into vault.person_keys values (${id}, 'sealed')`.execute(db)
    await sql`insert into public.avatars (user_id, file_name, content_type, bytes)
      values (${id}, 'a.png', 'image/png', 7)`.execute(db)
    return id
  }
  const plan = await makePlan(db, dataMap)
  const promised = await countRows(db, plan, ada)
  const counts = await db.transaction().execute((tx) => eraseRows(tx, plan, [ada, bob]))
  t.same(counts.get(ada), { tables: promised, files: 1, bytes: 7 })
  t.same(promised, {
    'vault.person_keys': 1,
    saved_passwords: 3,
    sessions: 0,
    avatars: 1,
    users: 1,
  })
  t.same(await countRows(db, plan, eve), promised)
  t.match(await countRows(db, plan, bob), { users: 0, saved_passwords: 0 })
})

async function refused(plan: Promise<unknown>): Promise<IncompleteDataMapError> {
  return plan.then(
    () => {
      throw new Error('a plan was made')
    },
    (error: unknown) => error as IncompleteDataMapError,
  )
}
