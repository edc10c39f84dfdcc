import { randomBytes } from 'node:crypto'
import { cheapHasher } from '@lethe/accounts/testing'
import { openStorage } from '@lethe/archive'
import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { adoptSecretKey, deriveKeys } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { buildApp } from '../src/app.ts'
import { readConfig } from '../src/config.ts'
import { inject, password } from './person.ts'
import { anyFolders, keys, SECRET_KEY, testApp } from './test-app.ts'

const signUp = { email: 'ada@example.com', password }

t.test(
  'serves nothing with a different SECRET_KEY than the database was set up with',
  async (t) => {
    const { url } = await testDb(t)
    const { app, db } = await appOn(t, url)
    await adoptSecretKey(db, deriveKeys(randomBytes(32)))
    const refused = await inject(app, 'POST', '/v1/users', signUp)
    t.equal(refused.statusCode, 503)
    t.match(refused.json(), { type: '/problems/unavailable', detail: /SECRET_KEY/ })
    t.equal((await app.inject('/healthz')).statusCode, 200)
    t.strictSame(await db.selectFrom('users').selectAll().execute(), [])
  },
)

t.test('serves requests once the database becomes ready', async (t) => {
  const { url } = await testDb(t)
  const { app, db } = await appOn(t, url)
  await sql`alter table public.kysely_migration rename to hidden`.execute(db)
  const early = await inject(app, 'POST', '/v1/users', signUp)
  t.match(early.json(), { status: 503, detail: /pnpm migrate/ })
  await sql`drop table if exists public.kysely_migration`.execute(db)
  await sql`alter table public.hidden rename to kysely_migration`.execute(db)
  t.equal((await inject(app, 'POST', '/v1/users', signUp)).statusCode, 201)
})

t.test('the health routes change nothing', async (t) => {
  const { app, db } = await testApp(t)
  for (const url of ['/healthz', '/readyz']) t.equal((await app.inject(url)).statusCode, 200)
  t.strictSame(await db.selectFrom('secret_key_check').selectAll().execute(), [])
  await inject(app, 'POST', '/v1/users', signUp)
  t.equal(await adoptSecretKey(db, keys), true)
  t.equal((await db.selectFrom('secret_key_check').selectAll().execute()).length, 1)
})

async function appOn(t: Test, url: string): Promise<{ app: ReturnType<typeof buildApp>; db: Db }> {
  const config = readConfig({ DATABASE_URL: url, SECRET_KEY, LOG_LEVEL: 'silent' })
  const db = connect(url)
  const app = buildApp({
    db,
    config,
    keys,
    hasher: cheapHasher,
    storage: openStorage('.data/none'),
    folders: anyFolders,
  })
  t.teardown(async () => {
    await app.close()
    await db.destroy()
  })
  return { app, db }
}
