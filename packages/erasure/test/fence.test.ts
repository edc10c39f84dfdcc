import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { eraseRows, makePlan } from '../src/index.ts'
import { forumMap, makeForum } from '../src/testing.ts'

const ada = 1

t.test('no row can name whoever is gone, with a foreign key or without', async (t) => {
  const { db, plan } = await forum(t)
  await db.transaction().execute((tx) => eraseRows(tx, plan, [ada]))
  for (const late of [
    "insert into forum.attachments (owner_kind, owner_id) values ('member', 1)",
    "update forum.attachments set owner_kind = 'member' where owner_id = 1",
    'insert into forum.messages (sender_id, recipient_id) values (2, 1)',
    'update forum.messages set sender_id = 1',
    'insert into forum.logins values (1, 1)',
  ])
    await t.rejects(sql.raw(late).execute(db), { code: 'LT001' }, late)
  await sql`insert into forum.attachments (owner_kind, owner_id) values ('thread', 1)`.execute(db)
  await sql`update forum.messages set body = 'another'`.execute(db)
})

// Without a word on whose it is: no fence looks at that.
const changed = sql`update forum.attachments set body = 'changed'`

t.test('a row that is being written when the erasure begins goes with the others', async (t) => {
  for (const row of [
    sql`insert into forum.attachments (owner_kind, owner_id) values ('member', ${ada})`,
    sql`insert into forum.posts (thread_id, number, author_id) values (2, 7, ${ada})`,
    // On a post of hers, by somebody else.
    sql`insert into forum.likes (member_id, thread_id, number) values (2, 1, 1)`,
    changed,
  ]) {
    const { db, plan } = await forum(t)
    if (row === changed)
      await sql`insert into forum.attachments (owner_kind, owner_id) values ('member', ${ada})`.execute(
        db,
      )
    const written = Promise.withResolvers<void>()
    const commit = Promise.withResolvers<void>()
    const late = db.transaction().execute(async (tx) => {
      await row.execute(tx)
      written.resolve()
      await commit.promise
    })
    await written.promise
    const erased = db.transaction().execute((tx) => eraseRows(tx, plan, [ada]))
    const waits = sql<{ n: number }>`select count(*) as n from pg_locks where not granted`
    while ((await waits.execute(db)).rows[0]?.n === 0);
    commit.resolve()
    await late
    const { tables } = (await erased).get(ada) ?? {}
    t.equal(
      (tables?.['forum.attachments'] ?? 0) +
        (tables?.['forum.posts'] ?? 0) +
        (tables?.['forum.likes'] ?? 0),
      2,
    )
    const { rows } = await sql<{ left: number }>`
      select (select count(*) from forum.posts) + (select count(*) from forum.likes)
        + (select count(*) from forum.attachments where owner_kind = 'member') as left`.execute(db)
    t.equal(rows[0]?.left, 0)
  }
})

async function forum(t: Test) {
  const { db } = await testDb(t)
  await makeForum(db)
  await sql
    .raw(`
    insert into forum.members (id, name) values (1, 'ada'), (2, 'bob');
    insert into forum.threads values (1, 'of ada', 1), (2, 'of bob', 2);
    insert into forum.posts values (1, 1, 1, null, 'ada: root');
    insert into forum.attachments (owner_kind, owner_id) values ('thread', 1);
    insert into forum.messages (sender_id, recipient_id) values (2, 2)`)
    .execute(db)
  return { db, plan: await makePlan(db, forumMap) }
}
