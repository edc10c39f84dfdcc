import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { connect, openSnapshotPool } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { makePlan } from '@lethe/erasure'
import { forumMap, makeForum } from '@lethe/erasure/testing'
import { sql } from 'kysely'
import t from 'tap'
import { getDatasets } from '../src/collect/datasets.ts'
import { createPersonReader } from '../src/collect/read-person.ts'

const ada = 1

t.test('makes no archive if row-level security would hide rows', async (t) => {
  const { db, url } = await testDb(t)
  await makeForum(db)
  await sql
    .raw(
      `insert into forum.members (id, name) values (1, 'ada'); insert into forum.visits values (1, '2026-02-02')`,
    )
    .execute(db)
  const role = `ordinary_${randomBytes(6).toString('hex')}`
  await sql
    .raw(`create role ${role} login password 'ordinary'; grant usage on schema forum, lethe to ${role};
      grant select on all tables in schema forum to ${role}`)
    .execute(db)
  const theirs = new URL(url)
  theirs.username = role
  theirs.password = 'ordinary'
  const own = connect(theirs.href, { max: 1 })
  const readers = openSnapshotPool(theirs.href, { max: 1 })
  t.teardown(async () => {
    await Promise.all([own.destroy(), readers.end()])
    await sql.raw(`drop owned by ${role}; drop role ${role}`).execute(db)
  })
  const plan = await makePlan(own, forumMap)
  const read = () =>
    createPersonReader(
      readers,
      plan,
      ada,
      new AbortController().signal,
    )(async ({ next }) => {
      for (let kinds = -1; kinds < getDatasets(plan).length; kinds++) await text(next())
    })
  await read()
  await sql
    .raw(`alter table forum.visits enable row level security;
      create policy part on forum.visits using (day > '2026-06-06')`)
    .execute(db)
  await t.rejects(makePlan(own, forumMap), { message: /^forum\.visits: row-level security hides/ })
  await t.rejects(read(), { code: '42501' }, 'also with an earlier plan')
})
