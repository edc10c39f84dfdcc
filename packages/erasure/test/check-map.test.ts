import { asSuperuser, testDb } from '@lethe/db/testing'
import { sql } from 'kysely'
import t from 'tap'
import { IncompleteDataMapError, makePlan } from '../src/index.ts'
import type { DataMap, TableEntry } from '../src/map/data-map.ts'
import { forumMap, makeForum } from '../testing/index.ts'

interface Case {
  what: string
  /** SQL that changes the schema. */
  change?: string
  map?: (map: DataMap) => DataMap
  says: RegExp
}

const cases: Case[] = [
  {
    what: 'a table at any depth that is not in the map',
    change: `create table forum.edits (id bigint, post_thread bigint, post_number integer,
      foreign key (post_thread, post_number) references forum.posts on delete cascade)`,
    says: /^forum\.edits: its rows lead to a person .* add 'forum\.edits': \{ description: '…', references: \{ 'post_thread, post_number': 'delete' \}, columns: \{ id: /,
  },
  {
    what: 'a column that is not in the map',
    change: 'alter table forum.posts add location text',
    says: /^forum\.posts\.location: .* add location: \{ description: '…', export: 'location' \}$/,
  },
  {
    what: 'a link that is not in the map',
    change: `alter table forum.posts add editor_id bigint references forum.members on delete set null`,
    map: withColumn('forum.posts', 'editor_id', {
      description: 'who changed it',
      export: 'editor',
    }),
    says: /^forum\.posts \(editor_id\): it leads to forum\.members .* add 'editor_id': 'anonymize' to its references$/,
  },
  {
    what: 'a column named like a link to a person, without a foreign key',
    change: 'create table forum.logs (at date, member_id bigint)',
    says: /^forum\.logs\.member_id: its name suggests that it references a person/,
  },
  {
    what: 'a foreign key without an index',
    change: 'drop index forum.likes_member_id_idx',
    says: /^forum\.likes \(member_id\): it has no index.*create index on forum\.likes \(member_id\)$/,
  },
  {
    what: 'a foreign key without a delete rule',
    change: `alter table forum.likes drop constraint likes_member_id_fkey,
      add foreign key (member_id) references forum.members`,
    says: /^forum\.likes \(member_id\): .* on delete no action, the data map says delete; declare it on delete cascade$/,
  },
  {
    what: 'a foreign key that deletes rows that the map keeps',
    change: `alter table forum.messages drop constraint messages_sender_id_fkey,
      add foreign key (sender_id) references forum.members on delete cascade`,
    says: /^forum\.messages \(sender_id\): .* on delete cascade, the data map says anonymize; declare it on delete set null$/,
  },
  {
    what: 'a table that does not exist',
    map: (map) => ({ ...map, tables: { ...map.tables, 'forum.gone': entry('forum.likes') } }),
    says: /^forum\.gone: there is no such table/,
  },
  {
    what: 'a column that does not exist',
    map: withColumn('forum.likes', 'gone', { description: 'nothing', export: 'gone' }),
    says: /^forum\.likes\.gone: there is no such column/,
  },
  {
    what: 'a link on a column that does not exist',
    map: withLink('forum.likes', 'gone', 'delete'),
    says: /^forum\.likes \(gone\): there is no column gone/,
  },
  {
    what: 'a link to a table that does not exist',
    map: withLink('forum.attachments', 'owner_id', { rule: 'delete', to: 'forum.gone', by: 'id' }),
    says: /^forum\.attachments \(owner_id\): there is no forum\.gone\.id/,
  },
  {
    what: 'a link to a column that is no key',
    map: withLink('forum.attachments', 'owner_id', {
      rule: 'delete',
      to: 'forum.members',
      by: 'favourite',
    }),
    says: /^forum\.attachments \(owner_id\): forum\.members\.favourite is not unique/,
  },
  {
    what: 'null for a column that is not null',
    change: 'alter table forum.threads alter title set not null',
    map: withColumn('forum.threads', 'title', {
      description: '',
      export: 'title',
      on_erase: { set: null },
    }),
    says: /^forum\.threads\.title: it takes no null/,
  },
  {
    what: 'one value for a unique column',
    change: 'alter table forum.threads add unique (title)',
    map: withColumn('forum.threads', 'title', {
      description: '',
      export: 'title',
      on_erase: { set: 'gone' },
    }),
    says: /^forum\.threads\.title: it is unique/,
  },
  {
    what: 'a value for a column that the database generates',
    map: withColumn('forum.messages', 'id', {
      description: '',
      export: 'id',
      on_erase: { set: 0 },
    }),
    says: /^forum\.messages\.id: the database sets it itself/,
  },
  {
    what: 'a kept column without a legal basis',
    map: withColumn('forum.threads', 'title', {
      description: '',
      export: 'title',
      retain: { reason: ' ', until: 'ever' },
    }),
    says: /^forum\.threads\.title: it is kept, or left out, without a reason/,
  },
  {
    what: 'a column left out of the export without a reason',
    map: withColumn('forum.likes', 'id', { description: '', export: false, reason: '' }),
    says: /^forum\.likes\.id: it is kept, or left out, without a reason/,
  },
  {
    what: 'a kept column that references the erased person',
    map: withColumn('forum.threads', 'author_id', {
      description: '',
      export: 'author',
      retain: { reason: 'history', until: 'ever' },
    }),
    says: /^forum\.threads\.author_id: it names the person who is erased, and is kept/,
  },
  {
    what: 'a column without an erase rule in a row that outlives the person',
    map: withColumn('forum.threads', 'title', { description: '', export: 'title' }),
    says: /^forum\.threads\.title: its row outlives the person, and it has neither `on_erase` nor `retain`/,
  },
  {
    what: 'a column that is both overwritten and kept',
    map: withColumn('forum.threads', 'title', {
      description: '',
      export: 'title',
      on_erase: { set: 'gone' },
      retain: { reason: 'history', until: 'ever' },
    }),
    says: /^forum\.threads\.title: it has both `on_erase` and `retain`/,
  },
  {
    what: 'a link that stays, to rows that are erased',
    map: withLink('forum.likes', 'thread_id, number', 'keep'),
    says: /^forum\.likes \(thread_id, number\): rows of forum\.posts are erased, so it cannot stay/,
  },
  {
    what: 'a link that deletes, to rows that are never erased',
    map: withLink('forum.posts', 'thread_id', 'delete'),
    says: /^forum\.posts \(thread_id\): no row of forum\.threads is ever erased/,
  },
  {
    what: 'a link that would erase a person with another row',
    map: withLink('forum.members', 'favourite', 'delete'),
    says: /^forum\.members \(favourite\): a person would be erased with a row of forum\.threads/,
  },
  {
    what: 'a table marked first that other tables reference',
    map: (map) => replaced(map, 'forum.posts', { ...entry('forum.posts'), first: true }),
    says: /^forum\.posts: it is marked `first`, but rows of other tables reference it/,
  },
  {
    what: 'two columns with the same export name',
    map: withColumn('forum.posts', 'number', { description: '', export: 'body' }),
    says: /^forum\.posts: two columns are exported as body/,
  },
  {
    what: 'a link without a fence',
    change: 'drop trigger erasure_fence_member_id on forum.likes',
    says: /^forum\.likes \(member_id\): no trigger refuses a late row .*; create or replace trigger erasure_fence_member_id before insert or update on forum\.likes for each row execute function lethe\.refuse_late_row\('member_id', 'lethe', 'people', 'id'\)$/,
  },
  {
    what: 'a disabled fence',
    change: 'alter table forum.likes disable trigger erasure_fence_member_id',
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence that runs only for some columns',
    change: `create or replace trigger erasure_fence_member_id before insert or update of member_id on forum.likes
      for each row execute function lethe.refuse_late_row('member_id', 'lethe', 'people', 'id')`,
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence with a condition',
    change: `create or replace trigger erasure_fence_member_id before insert or update on forum.likes
      for each row when (new.id > 7) execute function lethe.refuse_late_row('member_id', 'lethe', 'people', 'id')`,
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence that runs only on inserts',
    change: `create or replace trigger erasure_fence_member_id before insert on forum.likes
      for each row execute function lethe.refuse_late_row('member_id', 'lethe', 'people', 'id')`,
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence on another column',
    change: `create or replace trigger erasure_fence_member_id before insert or update on forum.likes
      for each row execute function lethe.refuse_late_row('id', 'lethe', 'people', 'id')`,
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence that calls another function with the same name',
    change: `create function forum.refuse_late_row() returns trigger language plpgsql as 'begin return new; end';
      create or replace trigger erasure_fence_member_id before insert or update on forum.likes
        for each row execute function forum.refuse_late_row('member_id', 'lethe', 'people', 'id')`,
    says: /^forum\.likes \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a fence with a filter that differs from the link',
    change: `create or replace trigger erasure_fence_owner_id before insert or update on forum.attachments
      for each row execute function lethe.refuse_late_row('owner_id', 'lethe', 'people', 'id', 'owner_kind', 'thread')`,
    says: /^forum\.attachments \(owner_id\): .* insert or update on forum\.attachments for each row execute function lethe\.refuse_late_row\('owner_id', 'lethe', 'people', 'id', 'owner_kind', 'member'\)$/,
  },
  {
    what: 'a fence that is disabled on a partition',
    change: 'alter table forum.visits_2 disable trigger erasure_fence_member_id',
    says: /^forum\.visits \(member_id\): no trigger refuses a late row/,
  },
  {
    what: 'a trigger that can keep deleted rows',
    change: `${returning('null')};
      create trigger soft before delete on forum.likes for each row execute function forum.meddle()`,
    says: /^forum\.likes: its trigger soft runs before each row .*; drop it, or say .*: triggers: \{ 'soft': '…' \}$/,
  },
  {
    what: 'a trigger on a partition that can keep deleted rows',
    change: `${returning('null')};
      create trigger soft before delete on forum.visits_2 for each row execute function forum.meddle()`,
    says: /^forum\.visits: its trigger soft runs before each row/,
  },
  {
    what: 'a trigger that can restore overwritten values',
    change: `${returning('new')};
      create trigger touched before update on forum.invoices for each row execute function forum.meddle()`,
    says: /^forum\.invoices: its trigger touched runs before each row/,
  },
  {
    what: 'a trigger with an empty reason',
    change: `${returning('old')};
      create trigger soft before delete on forum.likes for each row execute function forum.meddle()`,
    map: withTriggers('forum.likes', { soft: ' ' }),
    says: /^forum\.likes: its trigger soft runs before each row/,
  },
  {
    what: 'a trigger that does not exist',
    map: withTriggers('forum.likes', { gone: 'it counts' }),
    says: /^forum\.likes: it has no trigger gone that runs before each row; take it out of `triggers`$/,
  },
  {
    what: 'a rule on delete',
    change: 'create rule kept as on delete to forum.likes do instead nothing',
    says: /^forum\.likes: its rule kept rewrites what an erasure does/,
  },
  {
    what: 'a column named like a member of every object',
    change: 'alter table forum.likes add "constructor" text',
    says: /^forum\.likes\.constructor: it belongs to a person and is not in the data map/,
  },
  {
    what: 'a folder that is not of one person',
    map: (map) => ({ ...map, folders: { uploads: { description: '', export: 'uploads' } } }),
    says: /^uploads: it is not the folder of one person/,
  },
  {
    what: 'a folder outside of the uploads folder',
    map: (map) => ({ ...map, folders: { '../{person}': { description: '', export: 'uploads' } } }),
    says: /^\.\.\/\{person\}: it can lead out of the uploads folder/,
  },
  {
    what: 'a folder that is kept without a reason',
    map: (map) => ({
      ...map,
      folders: {
        '{person}': { description: '', export: 'uploads', retain: { reason: '', until: 'ever' } },
      },
    }),
    says: /^\{person\}: it is kept, or left out, without a reason/,
  },
  {
    what: 'a person table that does not exist',
    map: (map) => ({ ...map, person: { table: 'forum.people', key: 'id' } }),
    says: /^person: there is no forum\.people\.id/,
  },
]

t.test('makes a plan for the forum', async (t) => {
  const { db } = await testDb(t)
  await makeForum(db)
  await makePlan(db, forumMap)
})

t.test('makes a new plan only after a schema change', async (t) => {
  const { db, url } = await testDb(t)
  const operator = asSuperuser(t, { url })
  await makeForum(db)
  t.equal(
    await makePlan(db, forumMap),
    await makePlan(db, forumMap),
    'the same plan without a change',
  )
  for (const [change, back] of [
    [
      'drop index forum.likes_member_id_idx',
      'create index likes_member_id_idx on forum.likes (member_id)',
    ],
    ['alter table forum.likes disable trigger all', 'alter table forum.likes enable trigger all'],
    ['alter table forum.posts add mood text', 'alter table forum.posts drop mood'],
    ['create table forum.notes (member_id bigint)', 'drop table forum.notes'],
    ['alter table forum.likes rename to loves', 'alter table forum.loves rename to likes'],
    ['alter schema forum rename to club', 'alter schema club rename to forum'],
  ] as const) {
    await sql.raw(change).execute(operator)
    await t.rejects(makePlan(db, forumMap), { name: 'IncompleteDataMapError' }, change)
    await sql.raw(back).execute(operator)
    await makePlan(db, forumMap)
  }
})

for (const { what, change, map = (map: DataMap) => map, says } of cases)
  t.test(`rejects, with one problem: ${what}`, async (t) => {
    const { db } = await testDb(t)
    await makeForum(db)
    if (change) await sql.raw(change).execute(db)
    const refusal = await makePlan(db, map(forumMap)).catch((error: unknown) => error)
    t.ok(refusal instanceof IncompleteDataMapError)
    const lines = (refusal as IncompleteDataMapError).message.split('\n')
    t.match(lines[0], says)
    t.equal(lines.length, 1, 'no other problem is reported')
  })

/** A trigger function that only returns this. */
function returning(row: 'null' | 'old' | 'new'): string {
  return `create function forum.meddle() returns trigger language plpgsql as 'begin return ${row}; end'`
}

function withTriggers(table: string, triggers: NonNullable<TableEntry['triggers']>) {
  return (map: DataMap) => replaced(map, table, { ...entry(table), triggers })
}

function entry(table: string): TableEntry {
  return forumMap.tables[table] as TableEntry
}

function replaced(map: DataMap, table: string, entry: TableEntry): DataMap {
  return { ...map, tables: { ...map.tables, [table]: entry } }
}

function withColumn(table: string, column: string, columnEntry: TableEntry['columns'][string]) {
  const { columns } = entry(table)
  return (map: DataMap) =>
    replaced(map, table, { ...entry(table), columns: { ...columns, [column]: columnEntry } })
}

function withLink(table: string, name: string, reference: TableEntry['references'][string]) {
  const { references } = entry(table)
  return (map: DataMap) =>
    replaced(map, table, { ...entry(table), references: { ...references, [name]: reference } })
}
