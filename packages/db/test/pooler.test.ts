import { sql } from 'kysely'
import pg from 'pg'
import t from 'tap'
import { asUnusable, connect, openClient, openPool, openSnapshotPool } from '../src/index.ts'
import { testDb } from '../testing/index.ts'
import { startPgbouncer, withPgbouncer } from './start-pgbouncer.ts'

const SHOWN = ['TimeZone', 'search_path', 'row_security', 'statement_timeout', 'lock_timeout']

for (const mode of ['transaction', 'session', 'statement'])
  t.test(
    `refuses a pooler in ${mode} mode, and leaves the session of its other clients as it was`,
    withPgbouncer,
    async (t) => {
      const { url } = await testDb(t)
      const pooled = await startPgbouncer(t, url, { pool_mode: mode })
      const neighbor = () => readSession(pooled)
      const before = await neighbor()
      const db = connect(pooled, { max: 1 })
      const pool = openPool(pooled, { searchPath: 'bullmq' })
      const readers = openSnapshotPool(pooled, { max: 1 })
      t.teardown(() => Promise.all([db.destroy(), pool.end(), readers.end()]))
      const signal = new AbortController().signal
      for (const attempt of [
        () => sql`select 1`.execute(db),
        () => pool.query('select 1'),
        () => openClient(pooled),
        () => readers.snapshot(signal, [], async () => {}),
      ])
        t.match(asUnusable(await failure(attempt())), {
          what: /through a connection pooler/,
          remedy: /address of the PostgreSQL server itself/,
        })
      t.strictSame(await neighbor(), before)
    },
  )

t.test('says what is wrong if a pooler rejects ?options=', withPgbouncer, async (t) => {
  const { url } = await testDb(t)
  const pooled = await startPgbouncer(t, url, { pool_mode: 'transaction' })
  const db = connect(`${pooled}?options=-c%20search_path%3Dpublic`, { max: 1 })
  t.teardown(() => db.destroy())
  const error = await failure(sql`select 1`.execute(db))
  t.match(asUnusable(error)?.message, /connection pooler .*: give the address of the PostgreSQL/)
})

/** Reads the session as a client finds it that changes no setting. */
async function readSession(url: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  const shown = []
  for (const name of SHOWN) shown.push((await client.query(`show ${name}`)).rows[0])
  await client.end()
  return shown
}

function failure(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (error) => error,
  )
}
