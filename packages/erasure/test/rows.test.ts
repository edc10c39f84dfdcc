import type { Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { countRows, eraseRows, makePlan } from '../src/index.ts'
import { forumMap, makeForum } from '../testing/index.ts'

const [ada, bob, eve] = [1, 2, 3]

t.test('erases all rows of a person, and no other row', async (t) => {
  const { db } = await forum(t)
  const plan = await makePlan(db, forumMap)
  const before = await contents(db)
  const preview = await countRows(db, plan, ada)
  const erased = await db.transaction().execute((tx) => eraseRows(tx, plan, [ada]))
  t.same(erased.get(ada)?.tables, preview, 'the counts match the preview')
  t.same(preview, {
    'forum.members': 1,
    'forum.threads.author_id': 1,
    'forum.posts': 4,
    'forum.likes': 3,
    'forum.attachments': 1,
    'forum.messages.sender_id': 2,
    'forum.messages.recipient_id': 2,
    'forum.teams': 2,
    'forum.rooms': 2,
    'forum.visits': 2,
    'forum.badges': 1,
    'forum.gold_badges': 1,
    'forum.logins': 1,
    'forum.invoices.member_id': 1,
  })
  const after = await contents(db)
  t.same(after.get('threads'), [
    { id: 1, title: 'of ada', author_id: null },
    { id: 2, title: 'of bob', author_id: bob },
  ])
  t.same(
    after.get('posts')?.map(({ body }) => body),
    ['bob: root', 'eve: answer to bob'],
    'an answer is erased with its post, whichever member wrote it',
  )
  t.same(after.get('messages'), [
    { id: 1, sender_id: null, recipient_id: bob, body: 'from ada' },
    { id: 2, sender_id: bob, recipient_id: null, body: 'to ada' },
    { id: 3, sender_id: null, recipient_id: null, body: 'to herself' },
    { id: 4, sender_id: bob, recipient_id: eve, body: 'none of hers' },
  ])
  t.same(
    after.get('invoices').map(({ billed_to, ...rest }) => rest),
    [
      { number: 'I-1', member_id: null, cents: 100, nickname: null },
      { number: 'I-2', member_id: bob, cents: 200, nickname: 'bob' },
    ],
    'an invoice is kept, without what the law does not require',
  )
  for (const [table, gone] of [
    ['members', 1],
    ['logins', 1],
    ['likes', 3],
    ['attachments', 1],
    ['teams', 2],
    ['rooms', 2],
    ['visits', 2],
    ['badges', 2],
    ['gold_badges', 1],
  ] as const)
    t.equal(before.get(table).length - after.get(table).length, gone, table)
  const left = Object.values(await countRows(db, plan, ada))
  t.same(left.filter(Boolean), [], 'none of her rows is left')
})

t.test('counts a row that belongs to two people once', async (t) => {
  const { db } = await forum(t)
  const plan = await makePlan(db, forumMap)
  const all = await db.transaction().execute((tx) => eraseRows(tx, plan, [ada, bob, eve]))
  const sum = (table: string) =>
    [...all.values()].reduce((sum, { tables }) => sum + (tables[table] ?? 0), 0)
  t.equal(sum('forum.members'), 3)
  t.equal(sum('forum.posts'), 6)
  t.equal(sum('forum.likes'), 4)
  t.equal((await contents(db)).get('posts').length, 0)
})

async function forum(t: Test) {
  const opened = await testDb(t)
  await makeForum(opened.db)
  await sql
    .raw(`
    insert into forum.members values (1, 'ada'), (2, 'bob'), (3, 'eve');
    insert into forum.threads values (1, 'of ada', 1), (2, 'of bob', 2);
    update forum.members set favourite = 1;
    insert into forum.posts values
      (1, 1, 1, null, 'ada: root'), (1, 2, 2, 1, 'bob: answer to ada'), (1, 3, 3, 2, 'eve: answer to bob'),
      (2, 1, 2, null, 'bob: root'), (2, 2, 3, 1, 'eve: answer to bob'), (2, 3, 1, 2, 'ada: answer to eve');
    insert into forum.likes (member_id, thread_id, number) values (1, 2, 1), (2, 1, 1), (3, 1, 3), (3, 2, 1);
    insert into forum.attachments (owner_kind, owner_id) values ('member', 1), ('thread', 1), ('member', 2);
    insert into forum.messages (sender_id, recipient_id, body) values
      (1, 2, 'from ada'), (2, 1, 'to ada'), (1, 1, 'to herself'), (2, 3, 'none of hers');
    insert into forum.teams values (1, 1, null), (2, 2, null), (3, 2, null);
    insert into forum.rooms values (1, 1), (2, 2), (3, 3);
    update forum.teams set main_room = 1 where id = 3;
    update forum.teams set main_room = 2 where id = 2;
    insert into forum.visits values (1, '2026-02-02'), (1, '2026-08-08'), (2, '2026-02-02');
    insert into forum.badges values (1, 'tin'), (2, 'tin');
    insert into forum.gold_badges values (1, 'gold'), (3, 'gold');
    insert into forum.logins values ('a', 1), ('b', 2);
    insert into forum.invoices values ('I-1', 1, 'Ada, London', 100, 'ada'), ('I-2', 2, 'Bob, Paris', 200, 'bob')`)
    .execute(opened.db)
  return opened
}

async function contents(db: Db) {
  const tables = [
    'members',
    'threads',
    'posts',
    'likes',
    'attachments',
    'messages',
    'teams',
    'logins',
  ]
  const found = new Map<string, Record<string, unknown>[]>()
  for (const table of [...tables, 'invoices', 'rooms', 'visits', 'badges', 'gold_badges']) {
    const { rows } = await sql<Record<string, unknown>>`
      select * from ${sql.table(`forum.${table}`)} order by 1, 2`.execute(db)
    found.set(table, rows)
  }
  return { get: (table: string) => found.get(table) ?? [] }
}
