import { connect } from '@lethe/db'
import { sql } from 'kysely'
import t from 'tap'
import { testApp } from './test-app.ts'

t.test('runs a request again after a serialization failure', async (t) => {
  for (const [code, failures, status] of [
    ['40001', 2, 200],
    ['40P01', 1, 200],
    ['40P01', 3, 500],
    ['23505', 1, 500],
  ] as const) {
    let tries = 0
    const { app } = await testApp(t, {
      routes: async (routes, { db }) => {
        routes.get('/undone', async () => {
          tries++
          if (tries <= failures)
            await sql`do ${sql.lit(`begin raise exception 'undone' using errcode = '${code}'; end`)}`.execute(
              db,
            )
          return { tries }
        })
      },
    })
    const { statusCode } = await app.inject('/undone')
    t.equal(statusCode, status, `${code}, ${failures} times`)
    t.equal(tries, code === '23505' ? 1 : Math.min(failures + 1, 3))
  }
})

t.test('answers both of two requests that deadlock', async (t) => {
  const { app } = await testApp(t, {
    routes: async (routes, { db }) => {
      const meet = Promise.withResolvers<void>()
      let arrived = 0
      routes.get<{ Params: { first: string; second: string } }>(
        '/lock/:first/:second',
        async ({ params: { first, second } }) =>
          db.transaction().execute(async (tx) => {
            await sql`select pg_advisory_xact_lock(${first}::bigint)`.execute(tx)
            if (++arrived === 2) meet.resolve()
            await meet.promise
            await sql`select pg_advisory_xact_lock(${second}::bigint)`.execute(tx)
            return { ok: true }
          }),
      )
    },
  })
  const answers = await Promise.all([app.inject('/lock/1/2'), app.inject('/lock/2/1')])
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [200, 200],
  )
})

t.test('a read-only database is 503, and requests work again once it accepts writes', async (t) => {
  const { app, databaseUrl } = await testApp(t)
  const operator = connect(databaseUrl, { max: 1 })
  t.teardown(() => operator.destroy())
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(operator)
  const name = sql.id(rows[0]?.name ?? '')
  const signUp = () =>
    app.inject({
      method: 'POST',
      url: '/v1/users',
      headers: { 'sec-fetch-site': 'same-origin' },
      payload: { email: 'ada@example.com', password: 'correct horse battery staple' },
    })

  await sql`alter database ${name} set default_transaction_read_only = on`.execute(operator)
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(operator)
  // Each request uses one of the ended connections, until the pool has replaced all of them.
  let ready = await app.inject('/readyz')
  for (let tries = 0; tries < 20 && !ready.body.includes('read-only'); tries++)
    ready = await app.inject('/readyz')
  t.match(ready.json(), { status: 503, detail: /read-only/ })
  t.match((await signUp()).json(), { status: 503, type: '/problems/unavailable' })

  await sql`alter database ${name} reset default_transaction_read_only`.execute(operator)
  t.equal((await app.inject('/readyz')).statusCode, 200)
  t.equal((await signUp()).statusCode, 201)
})
