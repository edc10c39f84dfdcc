import { randomBytes } from 'node:crypto'
import { connect, type Db } from '@lethe/db'
import { type TestDb, testDb } from '@lethe/db/testing'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { countRows, type DataMap, eraseRows, makePlan, type Plan } from '../src/index.ts'
import { eraseInChunks, forumMap, makeForum } from '../testing/index.ts'

const ada = 1

interface Case {
  what: string
  /** The rest of a `create trigger` statement, and the body of its function. */
  trigger: string
  body: string
  says: RegExp
}

const cases: Case[] = [
  {
    what: 'a row that names the person',
    trigger: 'before delete on forum.logins',
    body: 'return null;',
    says: /^forum\.logins: 2 rows were found and 0 removed/,
  },
  {
    what: 'some of the rows',
    trigger: "before delete on forum.logins for each row when (old.token = 'a')",
    body: 'return null;',
    says: /^forum\.logins: 2 rows were found and 1 removed/,
  },
  {
    what: 'a row that it gives to another person',
    trigger: 'before delete on forum.badges',
    body: 'update forum.badges set member_id = 2 where member_id = old.member_id; return null;',
    says: /^forum\.badges: 1 rows were found and 0 removed/,
  },
  {
    what: 'a row of a partition',
    trigger: 'before delete on forum.visits_2',
    body: 'return null;',
    says: /^forum\.visits: 2 rows were found and 1 removed/,
  },
  {
    what: 'rows that reference each other',
    trigger: 'before delete on forum.posts',
    body: 'return null;',
    says: /^forum\.posts: 2 rows were found and 0 removed/,
  },
  {
    what: 'a row that is to be overwritten',
    trigger: 'before update on forum.invoices',
    body: 'return null;',
    says: /^forum\.invoices(\.member_id)?: 1 rows were found and 0 /,
  },
  {
    what: 'a value that is to be overwritten',
    trigger: 'before update on forum.invoices',
    body: 'new.nickname := old.nickname; return new;',
    says: /^forum\.invoices\.member_id: 1 rows were found and 0 /,
  },
  {
    what: 'the person',
    trigger: 'before delete on forum.members',
    body: 'return null;',
    says: /^forum\.members: 1 rows were found and 0 removed/,
  },
]

for (const { what, trigger, body, says } of cases) {
  t.test(`rejects the erasure if a trigger created after the plan keeps ${what}`, async (t) => {
    const { db } = await forum(t)
    const plan = await makePlan(db, forumMap)
    const before = await everything(db)
    await createTrigger(db, trigger, body)
    await t.rejects(erase(db, plan), { name: 'RowsKeptError', message: says })
    t.same(await everything(db), before, 'nothing is changed')
  })

  t.test(`rejects the erasure if a declared trigger keeps ${what}`, async (t) => {
    const { db } = await forum(t)
    await createTrigger(db, trigger, body)
    const table = /on (forum\.\w+?)(_\d)?( |$)/.exec(trigger)?.[1] ?? ''
    const entry = forumMap.tables[table] as DataMap['tables'][string]
    const triggers = { meddles: 'it only counts' }
    const map = { ...forumMap, tables: { ...forumMap.tables, [table]: { ...entry, triggers } } }
    await t.rejects(erase(db, await makePlan(db, map)), { name: 'RowsKeptError', message: says })
  })
}

t.test('rejects a chunk that removes fewer rows than it found', async (t) => {
  const { db } = await forum(t)
  for (const [trigger, body, says] of [
    ['before delete on forum.logins', 'return null;', /^forum\.logins: 1 rows .* 0 removed/],
    [
      'before update on forum.invoices',
      'return null;',
      /^forum\.invoices\.member_id: 1 rows .* 0 /,
    ],
    ['before update on forum.invoices', 'return old;', /^forum\.invoices\.member_id: 1 rows .* 0 /],
  ] as const) {
    const plan = await makePlan(db, forumMap)
    await createTrigger(db, trigger, body)
    await t.rejects(eraseInChunks(db, plan, ada, 1), { name: 'RowsKeptError', message: says })
    await sql`drop function forum.meddle cascade`.execute(db)
  }
})

t.test('accepts a declared trigger that keeps no row', async (t) => {
  const { db } = await forum(t)
  await createTrigger(db, 'before delete on forum.logins', 'return old;')
  const entry = forumMap.tables['forum.logins'] as DataMap['tables'][string]
  const logins = { ...entry, triggers: { meddles: 'it counts log-ins' } }
  const map = { ...forumMap, tables: { ...forumMap.tables, 'forum.logins': logins } }
  const erased = await erase(db, await makePlan(db, map))
  t.match(erased.get(ada)?.tables, { 'forum.logins': 2 })
})

t.test('accepts a row that another transaction removed first', async (t) => {
  const { db } = await forum(t)
  const plan = await makePlan(db, forumMap)
  const other = await db.startTransaction().execute()
  await sql`delete from forum.logins where token = 'a'`.execute(other)
  const erased = erase(db, plan)
  const waits = sql<{ n: number }>`select count(*) as n from pg_locks where not granted`
  await until('the erasure waits', async () => (await waits.execute(db)).rows[0]?.n)
  await other.commit().execute()
  await erased
  t.same((await everything(db)).logins, [])
})

t.test('rejects row-level security that hides rows, in the plan and in the session', async (t) => {
  const opened = await forum(t)
  const { db } = opened
  const as = await ordinaryRole(t, opened)
  const plan = await makePlan(as.db, forumMap)
  await sql
    .raw(`alter table forum.logins enable row level security;
      create policy part on forum.logins using (token <> 'a')`)
    .execute(db)
  await t.rejects(makePlan(as.db, forumMap), {
    name: 'IncompleteDataMapError',
    message: `forum.logins: row-level security hides rows of it from the role ${as.role}; alter role ${as.role} bypassrls, or alter table forum.logins owner to ${as.role}`,
  })
  await t.rejects(countRows(as.db, plan, ada), { code: '42501' })
  await t.rejects(erase(as.db, plan), { code: '42501' })
  await makePlan(db, forumMap)
  await sql.raw(`alter table forum.logins owner to ${as.role}`).execute(db)
  await makePlan(as.db, forumMap)
  await sql`alter table forum.logins force row level security`.execute(db)
  await t.rejects(makePlan(as.db, forumMap), {
    message: /or alter table forum\.logins no force row level security$/,
  })
  await sql.raw(`alter role ${as.role} bypassrls`).execute(db)
  await makePlan(as.db, forumMap)
})

const erase = (db: Db, plan: Plan) => db.transaction().execute((tx) => eraseRows(tx, plan, [ada]))

async function createTrigger(db: Db, trigger: string, body: string): Promise<void> {
  const each = trigger.includes('for each row') ? trigger : `${trigger} for each row`
  await sql
    .raw(`create function forum.meddle() returns trigger language plpgsql as 'begin ${body} end';
      create trigger meddles ${each} execute function forum.meddle()`)
    .execute(db)
}

/** Creates a role with all privileges on the forum's rows that owns no table. */
async function ordinaryRole(t: Test, { db, url }: TestDb): Promise<{ db: Db; role: string }> {
  const role = `ordinary_${randomBytes(6).toString('hex')}`
  await sql.raw(`create role ${role} login password 'ordinary'`).execute(db)
  for (const schema of ['forum', 'lethe', 'public', 'vault'])
    await sql
      .raw(
        `grant usage on schema ${schema} to ${role}; grant all on all tables in schema ${schema} to ${role}`,
      )
      .execute(db)
  const theirs = new URL(url)
  theirs.username = role
  theirs.password = 'ordinary'
  const own = connect(theirs.href, { max: 1 })
  t.teardown(async () => {
    await own.destroy()
    await sql
      .raw(`reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`)
      .execute(db)
  })
  return { db: own, role }
}

async function forum(t: Test): Promise<TestDb> {
  const opened = await testDb(t)
  await makeForum(opened.db)
  await sql
    .raw(`
    insert into forum.members (id, name) values (1, 'ada'), (2, 'bob');
    insert into forum.threads values (1, 'of bob', 2);
    insert into forum.posts values (1, 1, 1, null, 'ada: root'), (1, 2, 2, 1, 'bob: answer to ada');
    insert into forum.visits values (1, '2026-02-02'), (1, '2026-08-08');
    insert into forum.badges values (1, 'tin');
    insert into forum.logins values ('a', 1), ('b', 1);
    insert into forum.invoices values ('I-1', 1, 'Ada, London', 100, 'ada')`)
    .execute(opened.db)
  return opened
}

async function everything(db: Db): Promise<Record<string, unknown[]>> {
  const all: Record<string, unknown[]> = {}
  for (const table of ['members', 'posts', 'visits', 'badges', 'logins', 'invoices'])
    all[table] = (
      await sql`select * from ${sql.table(`forum.${table}`)} order by 1, 2`.execute(db)
    ).rows
  return all
}
