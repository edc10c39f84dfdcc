import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { verifyAuditChain } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import { sweepTasks } from '../src/sweep.ts'
import { createWorkerContext, noQueue, type WorkerContext } from './setup.ts'

t.test('expired sessions and rate limits are purged in batches', async (t) => {
  const ctx = await createWorkerContext(t)
  const { user } = await ctx.person()
  await sql`delete from public.sessions`.execute(ctx.db)
  const hash = sql`sha256(i::text::bytea)`
  await sql`insert into public.sessions (user_id, kind, token_hash, expires_at)
    select ${user.id}, 'cookie', ${hash}, now() from generate_series(1, 1500) i`.execute(ctx.db)
  await sql`insert into public.rate_limits (bucket, hits, ends_at)
    select ${hash}, 1, now() from generate_series(1, 1500) i`.execute(ctx.db)
  const tasks = sweepTasks(ctx.deps, noQueue)

  t.equal(await tasks['purge-expired-sessions'].run(), true, 'there may be more')
  t.equal(await tasks['purge-expired-sessions'].run(), false)
  t.equal(await tasks['purge-rate-limits'].run(), true)
  t.equal(await tasks['purge-rate-limits'].run(), false)
  t.equal(await rowsIn(ctx, 'sessions'), 0)
  t.equal(await rowsIn(ctx, 'rate_limits'), 0)
})

t.test('mails are purged in batches thirty days after they have finished', async (t) => {
  const ctx = await createWorkerContext(t)
  const { id } = await ctx.deletion(await ctx.person())
  await sql`update public.outbox set created_at = now() - interval '1 year'`.execute(ctx.db)
  const finished = (gap: string, mails: number) =>
    sql`insert into public.outbox (mail, deletion_id, status, finished_at)
      select 'deletion-cancelled', ${id}, 'sent', now() - ${gap}::interval
      from generate_series(1, ${sql.lit(mails)})`.execute(ctx.db)
  await finished('29 days 23 hours', 1)
  await finished('30 days 1 hour', 1_200)
  const { run } = sweepTasks(ctx.deps, noQueue)['purge-mails']
  t.equal(await run(), true)
  t.equal(await rowsIn(ctx, 'outbox'), 202)
  t.equal(await run(), false)
  t.strictSame(await ctx.db.selectFrom('outbox').select('status').orderBy('status').execute(), [
    { status: 'pending' },
    { status: 'sent' },
  ])
})

t.test('seals a backlog of audit events in batches, without a pause between them', async (t) => {
  const ctx = await createWorkerContext(t)
  await sql`insert into public.audit_events (deletion_id, event)
    select gen_random_uuid(), 'deletion.claimed' from generate_series(1, 2500)`.execute(ctx.db)
  const { run } = sweepTasks(ctx.deps, noQueue)['seal-audit-events']
  t.equal(await run(), true, 'there may be more')
  t.equal(await run(), true)
  t.equal(await run(), false)
  t.match(await verifyAuditChain(ctx.db), { sealed: 2_500, unsealed: 0, brokenAt: undefined })
})

t.test('an archive that cannot be removed blocks no other and is retried later', async (t) => {
  const ctx = await createWorkerContext(t)
  await sql`insert into public.deletions (status, erase_after, cancelled_at, token_hash, next_attempt_at)
    select 'cancelled', now(), now(), sha256(i::text::bytea), now() from generate_series(1, 3) i`.execute(
    ctx.db,
  )
  await sql`insert into public.exports (deletion_id, status, token_hash, file_name, next_attempt_at)
    select id, 'withdrawn', token_hash, id || '.' || gen_random_uuid() || '.zip.age', now() from public.deletions`.execute(
    ctx.db,
  )
  const exports = () =>
    ctx.db.selectFrom('exports').select(['id', 'file_name']).orderBy('id').execute()
  const names = (await exports()).map(({ file_name }) => file_name ?? '')
  const [stuck = '', ...others] = names
  // A folder in its place, since removing a file fails for a folder.
  await mkdir(path.join(ctx.exportDir, stuck), { recursive: true })
  for (const name of others) await writeFile(path.join(ctx.exportDir, name), 'x')
  await sql`update public.exports set next_attempt_at = now() - interval '1 hour' where file_name = ${stuck}`.execute(
    ctx.db,
  )
  const { run } = sweepTasks(ctx.deps, noQueue)['remove-archives']

  t.equal(await run(), false)
  t.strictSame(await readdir(ctx.exportDir), [stuck])
  const left = (await exports()).filter(({ file_name }) => file_name)
  t.match(left, [{ file_name: stuck }])
  await run()
  const logged = ctx.lines.map((line) => JSON.parse(line))
  t.match(logged, [{ msg: 'archive.not-removed', export: left[0]?.id, code: /^E/ }])
  t.equal(logged.length, 1, 'the failure is logged once')
  t.notMatch(ctx.lines.join(), stuck)

  await rm(path.join(ctx.exportDir, stuck), { recursive: true })
  await sql`update public.exports set next_attempt_at = now()`.execute(ctx.db)
  await run()
  t.strictSame(
    (await exports()).filter(({ file_name }) => file_name),
    [],
  )
})

for (const method of ['open', 'modifiedAt'] as const)
  t.test(`an archive for which ${method} fails does not prevent checking the others`, async (t) => {
    const ctx = await createWorkerContext(t)
    await sql`insert into public.deletions (status, erase_after, cancelled_at, token_hash, next_attempt_at)
      select 'cancelled', now(), now(), sha256(i::text::bytea), now() from generate_series(1, 3) i`.execute(
      ctx.db,
    )
    const isOpen = method === 'open'
    // The sweep checks ready archives, and collects what a crashed attempt left of withdrawn ones.
    await sql`insert into public.exports (deletion_id, status, token_hash, token_nonce, file_name, created_at, expires_at, bytes, sha256, next_attempt_at)
      select id, ${isOpen ? 'ready' : 'withdrawn'}, token_hash, ${isOpen ? sql`token_hash` : null}, id || '.' || gen_random_uuid() || '.zip.age',
        now(), now() + interval '1 day', 1, token_hash, now() from public.deletions`.execute(ctx.db)
    await sql`insert into lethe.archive_attempts (export_id, lease, begun_at, next_check_at)
      select id, gen_random_uuid(), now() - interval '2 days', now() from public.exports`.execute(
      ctx.db,
    )
    let looks = 0
    const storage = {
      ...ctx.deps.storage,
      async [method](name: string) {
        if (looks++ === 0) throw Object.assign(new Error(name), { code: 'EACCES' })
        return ctx.deps.storage[method](name)
      },
    }
    const task = isOpen ? 'check-archives' : 'remove-orphaned-archives'
    const { run } = sweepTasks({ ...ctx.deps, storage }, noQueue)[task]
    await run()
    t.equal(looks, 3)
    const msg = isOpen ? 'archive.not-checked' : 'archive.not-collected'
    const logged = ctx.lines.map((line) => JSON.parse(line))
    t.match(
      logged.filter((line) => line.msg === msg),
      [{ code: 'EACCES', export: String }],
    )
    t.notMatch(ctx.lines.join(), '.zip.age')
    await run()
    t.equal(looks, 3, 'no archive is checked again at once')

    // Simulate that 61 seconds have passed.
    await sql`update public.exports set checked_at = checked_at - interval '61 s'`.execute(ctx.db)
    await sql`update lethe.archive_attempts set next_check_at = next_check_at - interval '61 s'`.execute(
      ctx.db,
    )
    await run()
    t.equal(looks, 4, 'only the failed archive is checked again')
  })

async function rowsIn(
  { db }: WorkerContext,
  table: 'sessions' | 'rate_limits' | 'outbox',
): Promise<number> {
  const { n } = await db
    .selectFrom(table)
    .select((from) => from.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}
