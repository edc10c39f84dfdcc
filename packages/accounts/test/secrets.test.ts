import { randomBytes } from 'node:crypto'
import { testDb } from '@lethe/db/testing'
import {
  adoptSecretKey,
  consumeMailLimit,
  countHit,
  deletionToken,
  deriveKeys,
  exportToken,
  purgeRateLimits,
} from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import {
  createHasher,
  listSavedPasswords,
  removeSavedPassword,
  savePassword,
} from '../src/index.ts'
import { createTestContext } from '../testing/index.ts'

const entry = { site: 'bank.example', username: 'ada', password: 'hunter2 ünï' }

t.test(
  'a saved password is stored encrypted, and only its owner can read or remove it',
  async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db)
    const [ada, eve] = [await f.person(), await f.person()]
    const { id } = await savePassword(db, f.keys, ada.user.id, entry)
    t.match(await listSavedPasswords(db, f.keys, ada.user.id), [{ id, ...entry }])
    t.strictSame(await listSavedPasswords(db, f.keys, eve.user.id), [])
    const stored = await db.selectFrom('saved_passwords').select('secret').executeTakeFirstOrThrow()
    t.equal(stored.secret.includes('hunter2'), false)
    await t.rejects(removeSavedPassword(db, eve.user.id, id), { code: 'saved-password-not-found' })
    await removeSavedPassword(db, ada.user.id, id)
    t.strictSame(await listSavedPasswords(db, f.keys, ada.user.id), [])
  },
)

t.test('rejects a saved password beyond two thousand', async (t) => {
  const { db } = await testDb(t)
  const f = await createTestContext(db)
  const ada = await f.person()
  await sql`insert into public.saved_passwords (id, user_id, site, username, secret)
    select gen_random_uuid(), ${ada.user.id}, 's', 'u', repeat('x', 30)::bytea from generate_series(1, 1999)`.execute(
    db,
  )
  await savePassword(db, f.keys, ada.user.id, entry)
  await t.rejects(savePassword(db, f.keys, ada.user.id, entry), {
    code: 'too-many-saved-passwords',
  })
})

t.test(
  'a secret that was altered, or moved to another row or person, does not decrypt',
  async (t) => {
    const { db } = await testDb(t)
    const f = await createTestContext(db)
    const ada = await f.person()
    await savePassword(db, f.keys, ada.user.id, entry)
    const { id } = await savePassword(db, f.keys, ada.user.id, { ...entry, password: 'other' })
    await sql`update public.saved_passwords set secret = (select secret from public.saved_passwords where id <> ${id}) where id = ${id}`.execute(
      db,
    )
    await t.rejects(listSavedPasswords(db, f.keys, ada.user.id))
    await t.rejects(listSavedPasswords(db, deriveKeys(randomBytes(32)), ada.user.id))
  },
)

t.test('every purpose has its own key, and every link its own token', async (t) => {
  const keys = deriveKeys(randomBytes(32))
  t.equal(
    new Set(Object.values(keys).map((key) => key.toString('hex'))).size,
    Object.keys(keys).length,
  )
  const nonce = randomBytes(32)
  t.not(deletionToken(keys, nonce), exportToken(keys, nonce))
  t.match(deletionToken(keys, nonce), /^[\w-]{43}$/)
})

t.test('rejects a SECRET_KEY that differs from the first one', async (t) => {
  const { db } = await testDb(t)
  const keys = deriveKeys(randomBytes(32))
  t.equal(await adoptSecretKey(db, keys), true)
  t.equal(await adoptSecretKey(db, keys), true)
  t.equal(await adoptSecretKey(db, deriveKeys(randomBytes(32))), false)
})

t.test('hashing is argon2id, bounded, and refuses when too many wait', async (t) => {
  const hasher = await createHasher({ concurrency: 1, waiting: 1 })
  const hash = await hasher.hash('a password')
  t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  const calls = await Promise.allSettled([1, 2, 3].map(() => hasher.verify(hash, 'a password')))
  t.match(calls, [{ value: true }, { value: true }, { reason: { code: 'busy' } }])
  t.equal(await hasher.verify(hash, 'another'), false)
  t.equal(await hasher.verify(undefined, 'nobody has this password'), false)
})

t.test('hits are counted in windows, under hashed names', async (t) => {
  const { db } = await testDb(t)
  const keys = deriveKeys(randomBytes(32))
  t.match(await countHit(db, keys, 'ada@example.com', 60), { hits: 1 })
  const second = await countHit(db, keys, 'ada@example.com', 60)
  t.equal(second.hits, 2)
  t.ok(second.endsIn > 0 && second.endsIn <= 60_000)
  t.match(await countHit(db, keys, 'bob@example.com', 60), { hits: 1 })
  const { rows } = await sql<{
    all: string
  }>`select string_agg(r::text, ' ') as all from public.rate_limits r`.execute(db)
  t.notMatch(rows[0]?.all, 'example')
  await sql`update public.rate_limits set ends_at = now()`.execute(db)
  t.match(await countHit(db, keys, 'ada@example.com', 60), { hits: 1 }, 'a new window')
  await purgeRateLimits(db)
  t.equal((await db.selectFrom('rate_limits').selectAll().execute()).length, 1)
})

t.test('an address gets ten mails of a kind a day, whatever its case', async (t) => {
  const { db } = await testDb(t)
  const keys = deriveKeys(randomBytes(32))
  const allowed = []
  for (let n = 0; n < 11; n++)
    allowed.push(await consumeMailLimit(db, keys, 'deletion-scheduled', n % 2 ? 'A@b.c' : 'a@B.c'))
  t.strictSame(allowed, [...Array(10).fill(true), false])
  t.equal(await consumeMailLimit(db, keys, 'account-erased', 'a@b.c'), true)
})
