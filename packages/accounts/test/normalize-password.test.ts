import { testDb } from '@lethe/db/testing'
import { hash } from '@node-rs/argon2'
import t from 'tap'
import { createHasher, withNormalization } from '../src/hashing.ts'
import { logIn, signUp } from '../src/index.ts'
import { normalizePassword } from '../src/normalize-password.ts'
import { createTestContext } from '../testing/index.ts'

// One keyboard types one character, another types two; macOS types this space for Option and Space.
const composed = 'Gr\u00fc\u00dfe aus \u00c5rhus'
const decomposed = 'Gru\u0308\u00dfe\u00a0aus A\u030arhus'

t.test('a password is the same one however its characters are composed', async (t) => {
  t.equal(normalizePassword(decomposed), composed)
  t.equal(normalizePassword(composed), composed)
  t.equal(normalizePassword('\u3000x\u2009'), ' x ')
  t.equal(normalizePassword('\ufb01'), '\ufb01', 'what only looks alike stays apart')
})

t.test('no password takes long to normalize', async (t) => {
  const marks = '\u0301'.repeat(16_000) + '\u0316'.repeat(16_000)
  const before = process.cpuUsage().user
  t.equal(normalizePassword(marks), marks)
  const microseconds = process.cpuUsage().user - before
  t.ok(microseconds < 100_000, `${microseconds} µs`)
})

t.test('a person can sign up with one form and log in with the other', async (t) => {
  const { db } = await testDb(t)
  const { keys } = await createTestContext(db)
  const hasher = await createHasher()
  const enter = (email: string, password: string) =>
    logIn(db, keys, hasher, { email, password, kind: 'cookie', ttl: 'P1D' })
  await signUp(db, keys, hasher, { email: 'ada@example.com', password: decomposed })
  await signUp(db, keys, hasher, { email: 'bert@example.com', password: composed })
  for (const email of ['ada@example.com', 'bert@example.com'])
    for (const form of [composed, decomposed]) t.ok((await enter(email, form)).token)
  await t.rejects(enter('ada@example.com', composed.toLowerCase()), { code: 'wrong-credentials' })
})

t.test('an older hash of the password as typed stays valid', async (t) => {
  const hasher = await createHasher()
  const before = await hash(decomposed)
  t.ok(await hasher.verify(before, decomposed))
  t.notOk(await hasher.verify(before, composed), 'nothing tells how the other form was typed')
})

t.test('a normalized password needs one check', async (t) => {
  let looks = 0
  const counting = withNormalization({
    hash: async (password) => password,
    verify: async () => {
      looks++
      return false
    },
  })
  await counting.verify('', composed)
  t.equal(looks, 1)
  await counting.verify('', decomposed)
  t.equal(looks, 3)
})
