import { sql } from 'kysely'
import t from 'tap'
import { connect, exceedsLimit, isUnavailable, pendingMigrations } from '../src/index.ts'
import { testDb } from '../testing/index.ts'

t.test('a connection lost in use rejects its query, and the next one works', async (t) => {
  const { db, url } = await testDb(t)
  const lost: Error[] = []
  const other = connect(url, { max: 1, onError: (error) => lost.push(error) })
  t.teardown(() => other.destroy())
  const broken = other.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(db)
    // The query fails both before and after the client learns of the loss.
    const first = await sql`select 1`.execute(tx).catch((error) => error)
    t.equal(isUnavailable(first), true)
    await sql`select 1`.execute(tx)
  })
  const error = await broken.then(
    () => undefined,
    (reason) => reason,
  )
  t.equal(isUnavailable(error), true)
  t.match(await sql`select 1 as one`.execute(other), { rows: [{ one: 1 }] })
  t.ok(lost.length > 0, 'and it was told of')
})

t.test('distinguishes an unreachable server from a statement that exceeds a limit', async (t) => {
  const { url } = await testDb(t)
  const nowhere = connect('postgres://nobody@127.0.0.1:1/nothing')
  const hasty = connect(url, { statementTimeout: 20 })
  const narrow = connect(url, { settings: { temp_file_limit: '64kB', work_mem: '64kB' } })
  t.teardown(() => Promise.all([nowhere, hasty, narrow].map((db) => db.destroy())))
  const sorted = sql`select n from generate_series(1, 100000) n order by n desc, n % 7`
  for (const [query, unavailable, limit] of [
    [() => sql`select 1`.execute(nowhere), true, false],
    [() => sql`select pg_sleep(5)`.execute(hasty), false, true],
    [() => sorted.execute(narrow), false, true],
    [() => sql`select wrong`.execute(narrow), false, false],
  ] as const) {
    const error = await query().then(
      () => undefined,
      (reason) => reason,
    )
    t.strictSame([isUnavailable(error), exceedsLimit(error)], [unavailable, limit], error?.message)
  }
})

t.test('bigint is a number, and time is UTC', async (t) => {
  const { db } = await testDb(t)
  const { rows } = await sql`
    select 9007199254740991::bigint as big, current_setting('timezone') as zone,
      extract(epoch from ('2026-03-01'::timestamptz + interval 'P27D') - '2026-03-01'::timestamptz)::int as seconds`.execute(
    db,
  )
  t.strictSame(rows, [{ big: 9007199254740991, zone: 'UTC', seconds: 27 * 86_400 }])
})

t.test('a test’s database is migrated', async (t) => {
  const { db } = await testDb(t)
  t.strictSame(await pendingMigrations(db), [])
})
