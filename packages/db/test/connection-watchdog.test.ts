import { holdsWithin, startStopwatch, until } from '@lethe/machine-speed'
import { type RawBuilder, sql } from 'kysely'
import t from 'tap'
import { connect, type Db, isUnavailable } from '../src/index.ts'
import { testDb } from '../testing/index.ts'
import { startSilenceableProxy } from './silenceable-proxy.ts'

const PATIENCE_MS = 900
const SLACK_MS = 500

t.test('every query to an unresponsive database fails in time', async (t) => {
  const { url } = await testDb(t)
  const way = await startSilenceableProxy(t, url)
  const db = connect(way.url, { max: 3, timeoutMs: PATIENCE_MS })
  t.teardown(() => db.destroy())
  const inTransaction = Promise.withResolvers<void>()
  const silence = Promise.withResolvers<void>()
  const transaction = db.transaction().execute(async (tx) => {
    await one.execute(tx)
    inTransaction.resolve()
    await silence.promise
    await one.execute(tx)
  })
  await inTransaction.promise
  way.silence()
  const watch = startStopwatch()
  silence.resolve()
  const asked = [transaction, ...Array.from({ length: 20 }, () => one.execute(db))]
  for (const error of await Promise.all(asked.map(failure))) t.equal(isUnavailable(error), true)
  await holdsWithin(t, watch, PATIENCE_MS + SLACK_MS, 'in time')
})

t.test('no unresponsive connection is reused after the database responds again', async (t) => {
  const { url } = await testDb(t)
  const way = await startSilenceableProxy(t, url)
  const db = connect(way.url, { max: 5, timeoutMs: PATIENCE_MS })
  t.teardown(() => db.destroy())
  // Opens five connections; one of them is in use while the server does not respond.
  await Promise.all(Array.from({ length: 5 }, () => sql`select pg_sleep(0.1)`.execute(db)))
  way.silence()
  t.equal(isUnavailable(await failure(one.execute(db))), true)
  way.speak()
  const answers = Array.from({ length: 5 }, () => one.execute(db))
  for (const answer of await Promise.all(answers)) t.match(answer, { rows: [{ one: 1 }] })
})

t.test('a slow statement is not cut off', async (t) => {
  const { db, url } = await testDb(t)
  const patient = connect(url, { max: 1, timeoutMs: PATIENCE_MS })
  t.teardown(() => patient.destroy())
  const slow = sql`select pg_sleep(${(PATIENCE_MS * 2) / 1_000}), 1 as one`
  t.match(await slow.execute(patient), { rows: [{ one: 1 }] })
  // The connection of the check closes; the server may notice that a moment later.
  await until('two connections are left', async () => (await connectionsOf(db)) === 2)
})

t.test(
  'a client that vanishes in a transaction leaves its locks for a minute at most',
  async (t) => {
    const { db } = await testDb(t)
    const { rows } = await sql`show idle_in_transaction_session_timeout`.execute(db)
    t.match(rows, [{ idle_in_transaction_session_timeout: '1min' }])
  },
)

const one: RawBuilder<{ one: number }> = sql`select 1 as one`

function failure(asked: Promise<unknown>): Promise<unknown> {
  return asked.then(
    () => undefined,
    (error) => error,
  )
}

async function connectionsOf(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from pg_stat_activity where datname = current_database()`.execute(db)
  return rows[0]?.count ?? 0
}
