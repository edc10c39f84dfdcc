import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import { sweepTasks } from '../src/sweep.ts'
import { noQueue, type Setup, setup } from './setup.ts'

t.test('what is over is forgotten at once, however much of it there is', async (t) => {
  const s = await setup(t)
  const { user } = await s.person()
  await sql`delete from public.sessions`.execute(s.db)
  const hash = sql`sha256(i::text::bytea)`
  await sql`insert into public.sessions (user_id, kind, token_hash, expires_at)
    select ${user.id}, 'cookie', ${hash}, now() from generate_series(1, 1500) i`.execute(s.db)
  await sql`insert into public.rate_limits (bucket, hits, ends_at)
    select ${hash}, 1, now() from generate_series(1, 1500) i`.execute(s.db)
  const tasks = sweepTasks(s.deps, noQueue)

  t.equal(await tasks['purge-expired-sessions'].run(), true, 'there may be more')
  t.equal(await tasks['purge-expired-sessions'].run(), false)
  t.equal(await tasks['purge-rate-limits'].run(), true)
  t.equal(await tasks['purge-rate-limits'].run(), false)
  t.equal(await rowsIn(s, 'sessions'), 0)
  t.equal(await rowsIn(s, 'rate_limits'), 0)
})

t.test('a mail is forgotten thirty days after it was done with, in batches', async (t) => {
  const s = await setup(t)
  const { id } = await s.deletion(await s.person())
  await sql`update public.outbox set created_at = now() - interval '1 year'`.execute(s.db)
  const finished = (gap: string, mails: number) =>
    sql`insert into public.outbox (mail, deletion_id, status, finished_at)
      select 'deletion-cancelled', ${id}, 'sent', now() - ${gap}::interval
      from generate_series(1, ${sql.lit(mails)})`.execute(s.db)
  await finished('29 days 23 hours', 1)
  await finished('30 days 1 hour', 1_200)
  const { run } = sweepTasks(s.deps, noQueue)['purge-mails']
  t.equal(await run(), true)
  t.equal(await rowsIn(s, 'outbox'), 202)
  t.equal(await run(), false)
  t.strictSame(await s.db.selectFrom('outbox').select('status').orderBy('status').execute(), [
    { status: 'pending' },
    { status: 'sent' },
  ])
})

t.test('seals a backlog of audit events in batches, without a pause between them', async (t) => {
  const s = await setup(t)
  await sql`insert into public.audit_events (deletion_id, event)
    select gen_random_uuid(), 'deletion.claimed' from generate_series(1, 2500)`.execute(s.db)
  const { run } = sweepTasks(s.deps, noQueue)['seal-audit-events']
  t.equal(await run(), true, 'there may be more')
  t.equal(await run(), true)
  t.equal(await run(), false)
  t.match(await verifyAuditChain(s.db), { sealed: 2_500, unsealed: 0, brokenAt: undefined })
})

t.test('an archive that cannot be removed holds up no other, and is let alone', async (t) => {
  const s = await setup(t)
  await sql`insert into public.deletions (status, erase_after, cancelled_at, token_hash, next_attempt_at)
    select 'cancelled', now(), now(), sha256(i::text::bytea), now() from generate_series(1, 3) i`.execute(
    s.db,
  )
  await sql`insert into public.exports (deletion_id, status, token_hash, file_name, next_attempt_at)
    select id, 'withdrawn', token_hash, id || '.' || gen_random_uuid() || '.zip.age', now() from public.deletions`.execute(
    s.db,
  )
  const exports = () =>
    s.db.selectFrom('exports').select(['id', 'file_name']).orderBy('id').execute()
  const names = (await exports()).map(({ file_name }) => file_name ?? '')
  const [stuck = '', ...others] = names
  // A folder in its place, which no removal of a file takes.
  await mkdir(path.join(s.exportDir, stuck), { recursive: true })
  for (const name of others) await writeFile(path.join(s.exportDir, name), 'x')
  await sql`update public.exports set next_attempt_at = now() - interval '1 hour' where file_name = ${stuck}`.execute(
    s.db,
  )
  const { run } = sweepTasks(s.deps, noQueue)['remove-archives']

  t.equal(await run(), false)
  t.strictSame(await readdir(s.exportDir), [stuck])
  const left = (await exports()).filter(({ file_name }) => file_name)
  t.match(left, [{ file_name: stuck }])
  await run()
  const told = s.lines.map((line) => JSON.parse(line))
  t.match(told, [{ msg: 'archive.not-removed', export: left[0]?.id, code: /^E/ }])
  t.equal(told.length, 1, 'once')
  t.notMatch(s.lines.join(), stuck)

  await rm(path.join(s.exportDir, stuck), { recursive: true })
  await sql`update public.exports set next_attempt_at = now()`.execute(s.db)
  await run()
  t.strictSame(
    (await exports()).filter(({ file_name }) => file_name),
    [],
  )
})

for (const method of ['open', 'modifiedAt'] as const)
  t.test(`an archive at which ${method} fails keeps no other from being looked at`, async (t) => {
    const s = await setup(t)
    await sql`insert into public.deletions (status, erase_after, cancelled_at, token_hash, next_attempt_at)
      select 'cancelled', now(), now(), sha256(i::text::bytea), now() from generate_series(1, 3) i`.execute(
      s.db,
    )
    const isOpen = method === 'open'
    // Ready ones are checked; of those that are withdrawn, what a dead try has left is collected.
    await sql`insert into public.exports (deletion_id, status, token_hash, token_nonce, file_name, created_at, expires_at, bytes, sha256, next_attempt_at)
      select id, ${isOpen ? 'ready' : 'withdrawn'}, token_hash, ${isOpen ? sql`token_hash` : null}, id || '.' || gen_random_uuid() || '.zip.age',
        now(), now() + interval '1 day', 1, token_hash, now() from public.deletions`.execute(s.db)
    await sql`insert into lethe.archive_attempts (export_id, lease, begun_at, next_check_at)
      select id, gen_random_uuid(), now() - interval '2 days', now() from public.exports`.execute(
      s.db,
    )
    let looks = 0
    const storage = {
      ...s.deps.storage,
      async [method](name: string) {
        if (looks++ === 0) throw Object.assign(new Error(name), { code: 'EACCES' })
        return s.deps.storage[method](name)
      },
    }
    const task = isOpen ? 'check-archives' : 'remove-orphaned-archives'
    const { run } = sweepTasks({ ...s.deps, storage }, noQueue)[task]
    await run()
    t.equal(looks, 3)
    const msg = isOpen ? 'archive.not-checked' : 'archive.not-collected'
    const told = s.lines.map((line) => JSON.parse(line))
    t.match(
      told.filter((line) => line.msg === msg),
      [{ code: 'EACCES', export: String }],
    )
    t.notMatch(s.lines.join(), '.zip.age')
    await run()
    t.equal(looks, 3, 'not at once again')

    // A minute and a bit goes by.
    await sql`update public.exports set checked_at = checked_at - interval '61 s'`.execute(s.db)
    await sql`update lethe.archive_attempts set next_check_at = next_check_at - interval '61 s'`.execute(
      s.db,
    )
    await run()
    t.equal(looks, 4, 'that one alone')
  })

async function rowsIn(
  { db }: Setup,
  table: 'sessions' | 'rate_limits' | 'outbox',
): Promise<number> {
  const { n } = await db
    .selectFrom(table)
    .select((from) => from.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}
