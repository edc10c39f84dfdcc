import { randomBytes } from 'node:crypto'
import { asSuperuser, testDb } from '@lethe/db/testing'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type DataMap, eraseRows, makePlan } from '../src/index.ts'
import { createFences, forumMap, makeForum } from '../testing/index.ts'

const ada = 1

t.test('refuses rows that reference an erased person, with or without a foreign key', async (t) => {
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

// Leaves the owner columns alone, so no fence runs.
const changed = sql`update forum.attachments set body = 'changed'`

t.test('a fence reads only the columns that it needs', async (t) => {
  const { db } = await forum(t)
  // Converting the whole row to JSON would read every column, large ones too, and call this cast.
  await sql
    .raw(
      `create type forum.mood as enum ('calm');
       create function forum.no_json(forum.mood) returns json language plpgsql as 'begin raise ''read''; end';
       create cast (forum.mood as json) with function forum.no_json(forum.mood);
       alter table forum.messages add mood forum.mood default 'calm'`,
    )
    .execute(db)
  await sql`update forum.messages set body = 'another', sender_id = sender_id`.execute(db)
  await sql`insert into forum.messages (sender_id, recipient_id) values (2, 2)`.execute(db)
})

t.test('erases a row whose transaction is open when the erasure begins', async (t) => {
  for (const row of [
    sql`insert into forum.attachments (owner_kind, owner_id) values ('member', ${ada})`,
    sql`insert into forum.posts (thread_id, number, author_id) values (2, 7, ${ada})`,
    // A like by another member, on her post.
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
    await until('the erasure waits', async () => (await waits.execute(db)).rows[0]?.n)
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

t.test('a fence accepts an unchanged reference, and columns that were dropped', async (t) => {
  const { db, plan } = await forum(t)
  await sql`insert into forum.attachments (owner_kind, owner_id) values ('member', ${ada})`.execute(
    db,
  )
  await sql`alter table forum.attachments disable trigger all`.execute(db)
  await db.transaction().execute((tx) => eraseRows(tx, plan, [ada]))
  // A row restored from a backup.
  await sql`insert into forum.attachments (owner_kind, owner_id) values ('member', ${ada})`.execute(
    db,
  )
  await sql`alter table forum.attachments enable trigger all`.execute(db)
  await sql`update forum.attachments set body = 'another'`.execute(db)
  await sql`alter table forum.attachments alter owner_id type integer`.execute(db)
  await sql`alter table forum.attachments drop owner_kind`.execute(db)
  await sql`insert into forum.attachments (owner_id) values (${ada})`.execute(db)
  await sql`alter table forum.attachments drop owner_id`.execute(db)
  await sql`insert into forum.attachments (body) values ('without an owner')`.execute(db)
})

t.test('a fence compares a filter as the type of its column', async (t) => {
  const { db } = await forum(t)
  await sql
    .raw(`
    create table forum.notes (owner_id bigint, of_member boolean, padded char(8));
    create trigger yes before insert or update on forum.notes for each row
      execute function lethe.refuse_late_row('owner_id', 'lethe', 'people', 'id', 'of_member', 't', 'padded', 'note')`)
    .execute(db)
  const late = (kind: string) => sql.raw(`insert into forum.notes values (7, ${kind})`).execute(db)
  await t.rejects(late("true, 'note'"), { code: 'LT001' })
  await late("false, 'note'")
  await late("true, 'other'")
  await t.rejects(sql`update forum.notes set of_member = true, padded = 'note'`.execute(db), {
    code: 'LT001',
  })
})

t.test('a fence sees the stored value of a generated column', async (t) => {
  const { db } = await forum(t)
  await sql
    .raw(`
    create table forum.events (data jsonb,
      member_id bigint generated always as ((data ->> 'member')::bigint) stored references forum.members on delete cascade);
    create index on forum.events (member_id)`)
    .execute(db)
  const own = { description: 'whose it is', export: false, reason: 'a test' } as const
  const map: DataMap = {
    ...forumMap,
    tables: {
      ...forumMap.tables,
      'forum.events': {
        description: 'an event',
        references: { member_id: 'delete' },
        columns: { data: own, member_id: own },
      },
    },
  }
  await createFences(db, map)
  await makePlan(db, map)
  await sql`insert into public.deletions (user_id, status, erase_after, claimed_at, token_hash, next_attempt_at)
    values (${ada}, 'erasing', now(), now(), ${Buffer.alloc(32)}, now())`.execute(db)
  const event = (member: number) =>
    sql`insert into forum.events (data) values (${JSON.stringify({ member })})`.execute(db)
  await event(2)
  await t.rejects(event(ada), { code: 'LT001' })
})

t.test('a writer needs only the privilege to write', async (t) => {
  const { url } = await forum(t)
  const db = asSuperuser(t, { url })
  const role = sql.id(`writer_${randomBytes(6).toString('hex')}`)
  await sql`create role ${role}`.execute(db)
  t.teardown(async () => {
    await sql`drop owned by ${role}`.execute(db)
    await sql`drop role ${role}`.execute(db)
  })
  await sql`grant usage on schema forum to ${role}`.execute(db)
  await sql`grant insert on forum.logins to ${role}`.execute(db)
  const login = (member: number) =>
    db.transaction().execute(async (tx) => {
      await sql`set local role ${role}`.execute(tx)
      await sql`insert into forum.logins values (${`of ${member}`}, ${member})`.execute(tx)
    })
  await login(2)
  await t.rejects(login(7), { code: 'LT001' })
})

async function forum(t: Test) {
  const { db, url } = await testDb(t)
  await makeForum(db)
  await sql
    .raw(`
    insert into forum.members (id, name) values (1, 'ada'), (2, 'bob');
    insert into forum.threads values (1, 'of ada', 1), (2, 'of bob', 2);
    insert into forum.posts values (1, 1, 1, null, 'ada: root');
    insert into forum.attachments (owner_kind, owner_id) values ('thread', 1);
    insert into forum.messages (sender_id, recipient_id) values (2, 2)`)
    .execute(db)
  return { db, url, plan: await makePlan(db, forumMap) }
}
