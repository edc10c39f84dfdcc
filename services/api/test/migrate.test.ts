import { connect, migrate } from '@lethe/db'
import { sql } from 'kysely'
import t from 'tap'
import { type ApiUser, createApiUser } from './person.ts'
import { testApp } from './test-app.ts'

const PEOPLE = 8

t.test('deletions are accepted while a migration waits for a running export', async (t) => {
  const { app, db, databaseUrl } = await testApp(t, { env: { RATE_LIMITS: 'off' } })
  const people: ApiUser[] = []
  for (let n = 0; n < 2 * PEOPLE; n++) people.push(await createApiUser(app, `p${n}@example.org`))
  const slowestOf = async (these: ApiUser[]) => {
    let slowest = 0
    for (const { id, withCookie } of these) {
      const start = performance.now()
      t.equal((await withCookie('DELETE', `/v1/users/${id}`)).statusCode, 202)
      slowest = Math.max(slowest, performance.now() - start)
    }
    return slowest
  }
  const usual = await slowestOf(people.slice(PEOPLE))

  // Migration 7 is pending again: it takes the strongest lock on the table that every deletion writes.
  await sql`alter table public.deletions rename constraint deletions_counts to deletions_check8`.execute(
    db,
  )
  await sql`delete from public.kysely_migration where name = '0007_portions'`.execute(db)
  const reader = connect(databaseUrl, { max: 1 })
  t.teardown(() => reader.destroy())
  const transaction = await reader.startTransaction().setIsolationLevel('repeatable read').execute()
  await transaction.selectFrom('deletions').selectAll().execute()
  const operator = connect(databaseUrl, { max: 2 })
  t.teardown(() => operator.destroy())
  const isWaiting = Promise.withResolvers<void>()
  let isDone = false
  const done = migrate(operator, { onWait: () => isWaiting.resolve() }).finally(() => {
    isDone = true
  })
  await isWaiting.promise
  const slowest = await slowestOf(people.slice(0, PEOPLE))
  t.notOk(isDone, 'the export still runs')
  t.ok(slowest < 4 * usual + 1_000, `${slowest} ms, usually ${usual} ms`)

  await transaction.commit().execute()
  t.strictSame(await done, ['0007_portions'])
})
