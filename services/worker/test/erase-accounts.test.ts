import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Person } from '@lethe/accounts/testing'
import { removeFiles } from '@lethe/erasure'
import { dispatchBatch } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

t.test(
  'a batch of due accounts is erased with rows and files; another account keeps its own',
  async (t) => {
    const ctx = await createWorkerContext(t)
    const people = [await ctx.person(), await ctx.person()]
    const neighbour = await ctx.person()
    for (const person of [...people, neighbour]) await upload(ctx, person)
    for (const person of people) await ctx.deletion(person, true)
    await finishExports(ctx)

    const lease = await dispatch(ctx)
    await Promise.all([1, 2].map(() => eraseAccounts({ lease }, ctx.deps)))

    const users = await ctx.db.selectFrom('users').select('id').execute()
    t.strictSame(users, [{ id: neighbour.user.id }])
    t.strictSame(await readdir(ctx.deps.uploadDir), [String(neighbour.user.id)])
    const deletions = await ctx.db.selectFrom('deletions').selectAll().execute()
    for (const deletion of deletions)
      t.match(deletion, {
        status: 'erased',
        user_id: null,
        lease: null,
        erased_counts: { files: 1 },
      })
    const mails = await mailsOf(ctx, 'account-erased')
    t.equal(mails.length, 2, 'one last mail each, although the job ran twice')
  },
)

t.test('no account is erased before its date', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(ctx.db)
  // Simulate a sweep that dispatches a deletion which is not due.
  const lease = await dispatchBatch(ctx.db, 'deletions', sql`true`, 10)
  t.equal(lease, undefined, 'the row cannot be dispatched yet')
  await sql`update public.deletions set next_attempt_at = now()`.execute(ctx.db)
  const forced = await dispatchBatch(ctx.db, 'deletions', sql`true`, 10)
  await eraseAccounts({ lease: forced ?? '' }, ctx.deps)
  t.equal((await ctx.db.selectFrom('users').select('id').execute()).length, 1)
  t.match(await ctx.db.selectFrom('deletions').selectAll().execute(), [{ status: 'pending' }])
})

t.test('the next worker finishes the erasure of a crashed one', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  await ctx.deletion(person, true)
  await finishExports(ctx)
  // The crashed worker claimed the deletion and removed its files, and no more.
  await sql`update public.deletions set status = 'erasing', claimed_at = now(), next_reminder_at = null,
    lease = gen_random_uuid(), next_attempt_at = now() - interval '1 second',
    files_found = '{"avatars": 1}'`.execute(ctx.db)
  await removeFiles(ctx.deps.uploadDir, ctx.deps.dataMap, person.user.id)

  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)

  t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
  t.match(
    await ctx.db.selectFrom('deletions').selectAll().execute(),
    [{ status: 'erased', erased_counts: { files: 1, bytes: 5 } }],
    'the counts include files that the first worker removed',
  )
})

t.test('an account that cannot be erased does not block the others', async (t) => {
  const ctx = await createWorkerContext(t)
  const people = [await ctx.person(), await ctx.person(), await ctx.person()]
  const [stuck] = people
  for (const person of people) await ctx.deletion(person, true)
  await finishExports(ctx)
  await sql
    .raw(`create function public.stays() returns trigger language plpgsql as
    $$ begin raise exception 'a rule of another service' using errcode = 'check_violation'; end $$`)
    .execute(ctx.db)
  await sql`create trigger stays after delete on public.users for each row
    when (old.id = ${sql.lit(stuck?.user.id)}) execute function public.stays()`.execute(ctx.db)

  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)

  t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [{ id: stuck?.user.id }])
  const [open, ...others] = await ctx.db
    .selectFrom('deletions')
    .selectAll()
    .where('status', '=', 'erasing')
    .execute()
  t.strictSame(others, [])
  t.match(open, { user_id: stuck?.user.id, lease: null, attempts: 1 })
  t.match(
    ctx.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'deletion.failed'),
    [{ deletion: open?.id, err: { code: '23514', message: '23514' } }],
  )
  t.strictSame(await ctx.dispatchDeletions(), undefined, 'the failed one waits')

  await sql`drop function public.stays cascade`.execute(ctx.db)
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    ctx.db,
  )
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [])
})

t.test('an account is not erased while a trigger keeps its rows', async (t) => {
  const ctx = await createWorkerContext(t)
  const [kept, other] = [await ctx.person(), await ctx.person()]
  for (const person of [kept, other]) await ctx.deletion(person, true)
  await saveMany(ctx, kept, 2)
  await finishExports(ctx)
  await sql
    .raw(`create function public.keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keeps before delete on public.saved_passwords for each row execute function public.keep()`)
    .execute(ctx.db)
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  const [refused] = ctx.lines
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === 'erasure.refused')
  t.match(refused?.reasons, [/^saved_passwords: its trigger keeps runs before each row/])
  t.strictSame(await ids(ctx), [kept.user.id, other.user.id])

  // The operator accepts the trigger in the data map by mistake.
  const { saved_passwords: entry } = ctx.deps.dataMap.tables
  if (!entry) throw new Error('the map has no such table')
  const tables = { saved_passwords: { ...entry, triggers: { keeps: 'it only counts' } } }
  const dataMap = { ...ctx.deps.dataMap, tables: { ...ctx.deps.dataMap.tables, ...tables } }
  await sql`update public.deletions set next_attempt_at = now()`.execute(ctx.db)
  await eraseAccounts({ lease: await dispatch(ctx) }, { ...ctx.deps, dataMap })
  t.strictSame(await ids(ctx), [kept.user.id])
  t.match(await findErasing(ctx), { user_id: kept.user.id, lease: null, attempts: 1 })
  t.equal(
    (await mailsOf(ctx, 'account-erased')).length,
    1,
    'only the other account gets the last mail',
  )
  const failed = ctx.lines.filter((line) => line.includes('deletion.failed'))
  t.match(
    failed.map((line) => JSON.parse(line)),
    [
      {
        deletion: (await findErasing(ctx))?.id,
        err: {
          type: 'RowsKeptError',
          table: 'saved_passwords',
          message: / 2 rows were found and 0 /,
        },
      },
    ],
  )

  await sql`drop function public.keep cascade`.execute(ctx.db)
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    ctx.db,
  )
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.strictSame(await ids(ctx), [])
})

t.test('an account with very many rows is erased in chunks, after the others', async (t) => {
  const ctx = await createWorkerContext(t)
  const [large, ...others] = [await ctx.person(), await ctx.person(), await ctx.person()]
  for (const person of [large, ...others]) await ctx.deletion(person, true)
  await saveMany(ctx, large, 12_345)
  await finishExports(ctx)
  const first = eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  // For the next worker, stopping here is like a crash.
  await until('some rows are erased', async () => (await findErasing(ctx))?.erased_counts)
  t.strictSame(await ids(ctx), [large.user.id], 'the others are already erased')
  ctx.stop.abort(new Error('stopping'))
  await first
  const half = (await findErasing(ctx))?.erased_counts?.tables.saved_passwords ?? 0
  t.ok(half >= 1_000 && half < 12_345, `${half} rows are erased and counted`)
  const { rows } = await sql<{
    n: number
  }>`select count(*) as n from public.saved_passwords`.execute(ctx.db)
  t.equal(rows[0]?.n, 12_345 - half)

  const lease = await dispatch(ctx)
  await eraseAccounts({ lease }, { ...ctx.deps, stop: new AbortController().signal })
  t.strictSame(await ids(ctx), [])
  const all = await ctx.db.selectFrom('deletions').select(['status', 'erased_counts']).execute()
  t.match(
    all.find(({ erased_counts }) => erased_counts?.tables.saved_passwords),
    { status: 'erased', erased_counts: { tables: { saved_passwords: 12_345, users: 1 } } },
    'the tombstone counts the rows of both workers',
  )
})

t.test('a schema change between two chunks stops the erasure', async (t) => {
  const ctx = await createWorkerContext(t)
  const large = await ctx.person()
  await ctx.deletion(large, true)
  await saveMany(ctx, large, 12_345)
  await finishExports(ctx)
  const erasing = eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  await until('some rows are erased', async () => (await findErasing(ctx))?.erased_counts)
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    ctx.db,
  )
  await erasing
  t.strictSame(await ids(ctx), [large.user.id])
  t.match(await findErasing(ctx), { lease: null, attempts: 1 })
  const logged = ctx.lines
    .map((line) => JSON.parse(line))
    .find(({ msg }) => msg === 'deletion.failed')
  t.match(logged?.err, { type: 'IncompleteDataMapError' })
})

t.test('no deletion is claimed while the data map is incomplete', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person(), true)
  await finishExports(ctx)
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    ctx.db,
  )
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.match(await ctx.db.selectFrom('deletions').selectAll().execute(), [
    { status: 'pending', lease: null },
  ])
  const logged = ctx.lines
    .map((line) => JSON.parse(line))
    .find(({ msg }) => msg === 'erasure.refused')
  t.match(logged?.reasons, [/^notes: .* add notes: \{/])

  await sql`drop table public.notes`.execute(ctx.db)
  await sql`update public.deletions set next_attempt_at = now()`.execute(ctx.db)
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.match(await ctx.db.selectFrom('deletions').selectAll().execute(), [{ status: 'erased' }])
})

t.test('an unavailable database delays an erasure by seconds only', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person(), true)
  await finishExports(ctx)
  // Earlier attempts have failed.
  await sql`update public.deletions set attempts = 7`.execute(ctx.db)
  await sql`create function public.full_disk() returns trigger language plpgsql as
    $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$`.execute(ctx.db)
  await sql`create trigger full_disk before delete on public.users execute function public.full_disk()`.execute(
    ctx.db,
  )
  await eraseAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  const soon = sql<boolean>`next_attempt_at between now() and now() + interval '5 seconds'`
  t.match(await ctx.db.selectFrom('deletions').selectAll().select(soon.as('soon')).execute(), [
    { status: 'erasing', lease: null, attempts: 8, soon: true },
  ])
})

t.test('a transaction that locks a row delays the erasure by seconds only', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await ctx.deletion(person, true)
  await finishExports(ctx)
  await sql`update public.deletions set attempts = 7`.execute(ctx.db)
  const lease = await dispatch(ctx)
  const user = await ctx.db.startTransaction().execute()
  await sql`select from public.users for key share`.execute(user)
  await eraseAccounts({ lease }, ctx.deps)
  await user.rollback().execute()
  const soon = sql<boolean>`next_attempt_at between now() and now() + interval '5 seconds'`
  t.match(await ctx.db.selectFrom('deletions').selectAll().select(soon.as('soon')).execute(), [
    { status: 'erasing', lease: null, attempts: 8, soon: true },
  ])
})

t.test('files that cannot be removed block only the erasure of their owner', async (t) => {
  const ctx = await createWorkerContext(t)
  const other = await ctx.person()
  await sql`alter table public.users alter column id restart with 1000000000`.execute(ctx.db)
  const stuck = await ctx.person()
  for (const person of [stuck, other]) await ctx.deletion(person, true)
  await finishExports(ctx)
  // With the longer of the two ids the path exceeds the system's limit, for root too.
  const uploadDir = '/x'.repeat(2_046)
  const lease = await dispatch(ctx)

  await eraseAccounts({ lease }, { ...ctx.deps, uploadDir })

  t.strictSame(await ctx.db.selectFrom('users').select('id').execute(), [{ id: stuck.user.id }])
})

t.test('a worker that stops releases the claimed batch', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person(), true)
  await finishExports(ctx)
  const lease = await dispatch(ctx)
  ctx.stop.abort(new Error('stopping'))
  await eraseAccounts({ lease }, ctx.deps)
  t.match(await ctx.db.selectFrom('deletions').selectAll().execute(), [
    { status: 'erasing', lease: null },
  ])
  t.ok(await ctx.dispatchDeletions(), 'the batch can be dispatched again')
})

async function findErasing({ db }: WorkerContext) {
  return db.selectFrom('deletions').selectAll().where('status', '=', 'erasing').executeTakeFirst()
}

async function ids({ db }: WorkerContext): Promise<number[]> {
  return (await db.selectFrom('users').select('id').execute()).map(({ id }) => id)
}

async function saveMany({ db }: WorkerContext, { user }: Person, rows: number): Promise<void> {
  await sql`insert into public.saved_passwords (id, user_id, site, username, secret)
    select gen_random_uuid(), ${user.id}, 's', 'u', ${Buffer.alloc(30)} from generate_series(1, ${rows}::int)`.execute(
    db,
  )
}

async function dispatch(ctx: WorkerContext): Promise<string> {
  return (await ctx.dispatchDeletions()) ?? ''
}

/** Ends the promised exports, since erasure waits for them. */
async function finishExports({ db }: WorkerContext) {
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(db)
}

async function upload({ deps, db }: WorkerContext, { user }: Person) {
  const folder = path.join(deps.uploadDir, String(user.id))
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'face.png'), 'image')
  await db
    .insertInto('avatars')
    .values({ user_id: user.id, file_name: 'face.png', content_type: 'image/png', bytes: 5 })
    .execute()
}

function mailsOf({ db }: WorkerContext, mail: 'account-erased') {
  return db.selectFrom('outbox').selectAll().where('mail', '=', mail).execute()
}
