import { cheapHasher } from '@lethe/accounts/testing'
import { openStorage } from '@lethe/archive'
import { connect } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { deriveKeys } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import { buildApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { anyFolders, SECRET_KEY, testApp } from './test-app.ts'

t.test('alive, and ready on a migrated database', async (t) => {
  const { app } = await testApp(t, { fresh: true })
  for (const url of ['/healthz', '/readyz']) {
    const response = await app.inject(url)
    t.strictSame([response.statusCode, response.json()], [200, { status: 'ok' }])
    t.equal(response.headers['cache-control'], 'no-store')
  }
})

t.test('alive but not ready on a database that is not migrated', async (t) => {
  const { app, db } = await testApp(t, { fresh: true })
  await sql`drop table public.kysely_migration`.execute(db)
  t.equal((await app.inject('/healthz')).statusCode, 200)
  t.match(await notReady(app), /pnpm migrate/)
})

t.test('not ready with a different SECRET_KEY than the database was set up with', async (t) => {
  const { app, db } = await testApp(t, { fresh: true })
  await db
    .insertInto('secret_key_check')
    .values({ value: Buffer.alloc(32) })
    .execute()
  t.match(await notReady(app), /SECRET_KEY/)
})

t.test('not ready without a connection to the database', async (t) => {
  await using app = appOn(t, 'postgres://nobody@127.0.0.1:1/nothing')
  t.match(await notReady(app), /cannot be reached/)
})

t.test('answers not ready in time if the database does not respond', async (t) => {
  const { url } = await testDb(t)
  const db = connect(url, { max: 1 })
  const config = readConfig({ DATABASE_URL: url, SECRET_KEY, LOG_LEVEL: 'silent' })
  const app = buildApp({
    db,
    config,
    keys: deriveKeys(config.secretKey),
    hasher: cheapHasher,
    storage: openStorage('.data/none'),
    folders: anyFolders,
  })
  t.teardown(() => app.close())
  const held = Promise.withResolvers<void>()
  const blocked = db.connection().execute(() => held.promise)
  t.match(await notReady(app), /does not answer/)
  held.resolve()
  await blocked
  t.equal((await app.inject('/readyz')).statusCode, 200, 'and ready again once it answers')
  await db.destroy()
})

function appOn(t: Pick<typeof import('tap').t, 'teardown'>, url: string) {
  const config = readConfig({ DATABASE_URL: url, SECRET_KEY, LOG_LEVEL: 'silent' })
  const db = connect(url)
  t.teardown(() => db.destroy())
  return buildApp({
    db,
    config,
    keys: deriveKeys(config.secretKey),
    hasher: cheapHasher,
    storage: openStorage('.data/none'),
    folders: anyFolders,
  })
}

async function notReady(app: ReturnType<typeof buildApp>): Promise<string> {
  const response = await app.inject('/readyz')
  t.equal(response.statusCode, 503)
  t.match(response.json(), { type: '/problems/unavailable' })
  return response.json().detail
}
