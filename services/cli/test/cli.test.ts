import { createTestContext } from '@lethe/accounts/testing'
import { testDb } from '@lethe/db/testing'
import { sealAuditEvents, tripBreaker } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { run } from '../src/run.ts'

t.test('users promote makes only an active user an administrator', async (t) => {
  const { f, lethe } = await setup(t)
  const ada = await f.person('ada@example.com')
  t.match(await lethe('users', 'promote', 'Ada@example.com'), { code: 0 })
  t.match(await f.db.selectFrom('users').select('role').execute(), [{ role: 'administrator' }])
  t.match(await lethe('users', 'promote', 'nobody@example.com'), {
    code: 1,
    text: /No active user/,
  })
  t.match(await lethe('users', 'promote'), { code: 2, text: /EMAIL/ })
  t.notMatch((await lethe('users', 'promote', 'nobody@example.com')).text, 'nobody@')
  t.ok(ada)
})

t.test(
  'deletions list and show tell where each stands, without a word on whose it is',
  async (t) => {
    const { f, lethe } = await setup(t)
    t.match(await lethe('deletions', 'list'), { code: 0, text: 'No deletions.' })
    const ada = await f.person('ada@example.com')
    const { id } = await f.request(ada)
    const list = await lethe('deletions', 'list', 'pending')
    t.match(list, { code: 0, text: new RegExp(`${id}.*pending`) })
    t.match(await lethe('deletions', 'list', 'erased'), { text: 'No deletions.' })
    t.match(await lethe('deletions', 'list', 'nonsense'), { code: 2 })
    const shown = await lethe('deletions', 'show', id)
    t.match(shown, { code: 0, text: /deletion-scheduled/ })
    t.match(shown.text, /deletion\.requested/)
    t.notMatch(list.text + shown.text, 'ada@')
    t.match(await lethe('deletions', 'show', 'x'), { code: 1 })
  },
)

t.test('plan shows each step, and exits 1 if the data map is incomplete', async (t) => {
  const { f, lethe } = await setup(t)
  const shown = await lethe('plan')
  t.match(shown, { code: 0, text: /^1 .* vault\.person_keys .* user_id → users$/m })
  t.match(shown.text, /```mermaid\nflowchart RL\n[^`]* -->\|"user_id"\| t\d/)
  const { steps } = JSON.parse((await lethe('plan', '--json')).text)
  t.match(steps.at(-1), { does: 'erase', table: 'users', columns: [] })

  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    f.db,
  )
  t.match(await lethe('plan'), { code: 1, text: /^notes: .* add notes: \{.*$/ })
  const missing = await lethe('plan', '--json')
  t.equal(missing.code, 1)
  t.match(JSON.parse(missing.text).faults, [{ entry: 'notes' }])
  t.match(await lethe('plan', 'all'), { code: 2 })
})

t.test('audit verify exits 1 if the chain is broken', async (t) => {
  const { f, lethe } = await setup(t)
  await sql`insert into public.audit_events (deletion_id, event) values (gen_random_uuid(), 'deletion.claimed')`.execute(
    f.db,
  )
  await sealAuditEvents(f.db)
  t.match(await lethe('audit', 'verify'), { code: 0, text: /1 events, 0 more/ })
  await f.db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql`update public.audit_events set event = 'deletion.erased'`.execute(tx)
  })
  t.match(await lethe('audit', 'verify'), { code: 1, text: /position 1/ })
})

t.test(
  'breaker shows what is held and how to continue; release requires the exact number',
  async (t) => {
    const { f, lethe } = await setup(t)
    t.match(await lethe('breaker'), { code: 0, text: /closed\. .* new accounts 0\.$/ })
    t.match(await lethe('breaker', 'release', '0'), { code: 0, text: /closed: nothing is held/ })
    for (let i = 0; i < 3; i++) await f.request(await f.person(), {}, 'PT0S')
    await sql`insert into public.deletions (user_id, requested_at, erase_after, next_attempt_at, token_nonce, token_hash, new_account)
    select 99, now() + interval '1 microsecond', now() + interval '1 microsecond', now(), token_nonce, sha256('x'), true
    from public.deletions limit 1`.execute(f.db)
    t.match(await lethe('breaker'), { code: 0, text: /established accounts 0, new accounts 4\.$/ })
    await tripBreaker(f.db, { floor: 1, share: 0.1 })
    await f.request(await f.person(), {}, 'PT0S')

    const shown = await lethe('breaker')
    t.match(shown, {
      code: 1,
      text: /4 deletions were due at once, more than 1 and more than 0\.1 /,
    })
    t.match(shown.text, /younger than 7 days.* The 1 oldest requests go on\./)
    t.match(shown.text, /Held: 3\. Due since then, .*: 1\./)
    t.match(shown.text, /^owner +2 .*\nnot on record +1 /m)
    t.match(shown.text, /pnpm lethe breaker release 3\n/)

    for (const wrong of [
      ['breaker', 'release'],
      ['breaker', 'release', 'all'],
      ['breaker', 'release', '-3'],
      ['breaker', 'release', '3', 'all'],
      ['breaker', 'release', '3', 'toString'],
    ])
      t.match(await lethe(...wrong), { code: 2, text: /How many/ })
    t.match(await lethe('breaker', 'release', '5'), { code: 1, text: /^3 are held, not 5/ })
    t.match(await lethe('breaker'), { code: 1 }, 'still stopped')
    t.match(await lethe('breaker', 'release', '3', 'established'), {
      code: 1,
      text: /^Nothing was released: .* holds only accounts that were younger than 7 days/,
    })
    t.match(await lethe('breaker', 'release', '3'), { code: 0, text: /^Released 3/ })
    t.match(
      await lethe('breaker', 'release', '3'),
      { code: 0, text: /nothing is held/ },
      'harmless',
    )
    t.match(await lethe('breaker'), { code: 0, text: /new accounts 2\.$/ })
  },
)

t.test('breaker release asks which kind of account if both are held', async (t) => {
  const { f, lethe } = await setup(t)
  const people = [await f.person(), await f.person(), await f.person()]
  await sql`update public.users set created_at = now() - interval '8 days' where id = ${people[0]?.user.id}`.execute(
    f.db,
  )
  for (const person of people) await f.request(person, {}, 'PT0S')
  await tripBreaker(f.db, { floor: 0, share: 0 })
  const shown = await lethe('breaker')
  t.match(shown.text, /breaker release 1 established\n.*breaker release 2 new\n/)
  t.match(await lethe('breaker', 'release', '2'), { code: 2, text: /which/ })
  t.match(await lethe('breaker', 'release', '2', 'new'), { code: 0, text: /^Released 2 .*younger/ })
  t.match(await lethe('breaker', 'release', '1'), { code: 0, text: /^Released 1 .*established/ })
})

t.test('migrate applies pending migrations once', async (t) => {
  const { lethe } = await setup(t)
  t.match(await lethe('migrate'), { code: 0, text: 'Nothing to migrate.' })
})

t.test('an unknown command prints the list of commands', async (t) => {
  const { lethe } = await setup(t)
  t.match(await lethe('nonsense'), { code: 2, text: /users promote EMAIL/ })
  t.match(await lethe(), { code: 0 })
})

async function setup(t: Test) {
  const { db } = await testDb(t)
  const f = await createTestContext(db)
  return {
    f,
    async lethe(...args: string[]) {
      const lines: string[] = []
      const code = await run(args, { db, env: {}, print: (line) => lines.push(line) })
      return { code, text: lines.join('\n') }
    },
  }
}
