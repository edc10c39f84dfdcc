import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Person } from '@lethe/accounts/testing'
import { removeFiles } from '@lethe/erasure'
import { dispatchBatch } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { type Setup, setup } from './setup.ts'

t.test(
  'a batch of people who are due is erased, rows and files; a neighbour keeps all',
  async (t) => {
    const s = await setup(t)
    const people = [await s.person(), await s.person()]
    const neighbour = await s.person()
    for (const person of [...people, neighbour]) await upload(s, person)
    for (const person of people) await s.deletion(person, true)
    await exportsAreMade(s)

    const lease = await lend(s)
    await Promise.all([1, 2].map(() => eraseAccounts({ lease }, s.deps)))

    const users = await s.db.selectFrom('users').select('id').execute()
    t.strictSame(users, [{ id: neighbour.user.id }])
    t.strictSame(await readdir(s.deps.uploadDir), [String(neighbour.user.id)])
    const deletions = await s.db.selectFrom('deletions').selectAll().execute()
    for (const deletion of deletions)
      t.match(deletion, {
        status: 'erased',
        user_id: null,
        lease: null,
        erased_counts: { files: 1 },
      })
    const mails = await mailsOf(s, 'account-erased')
    t.equal(mails.length, 2, 'one last mail each, though the job came twice')
  },
)

t.test('nobody is erased before their date, nor after a cancel', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(s.db)
  // As if the sweep had lent what is not due.
  const lease = await dispatchBatch(s.db, 'deletions', sql`true`, 10)
  t.equal(lease, undefined, 'it is not even free')
  await sql`update public.deletions set next_attempt_at = now()`.execute(s.db)
  const forced = await dispatchBatch(s.db, 'deletions', sql`true`, 10)
  await eraseAccounts({ lease: forced ?? '' }, s.deps)
  t.equal((await s.db.selectFrom('users').select('id').execute()).length, 1)
  t.match(await s.db.selectFrom('deletions').selectAll().execute(), [{ status: 'pending' }])
})

t.test('what a worker left half done when it died is finished by the next', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  await s.deletion(person, true)
  await exportsAreMade(s)
  // Claimed, the files found and removed, and then nothing more.
  await sql`update public.deletions set status = 'erasing', claimed_at = now(), next_reminder_at = null,
    lease = gen_random_uuid(), next_attempt_at = now() - interval '1 second',
    files_found = '{"avatars": 1}'`.execute(s.db)
  await removeFiles(s.deps.uploadDir, s.deps.dataMap, person.user.id)

  await eraseAccounts({ lease: await lend(s) }, s.deps)

  t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
  t.match(
    await s.db.selectFrom('deletions').selectAll().execute(),
    [{ status: 'erased', erased_counts: { files: 1, bytes: 5 } }],
    'what the first removed is told of',
  )
})

t.test('one person who cannot be erased does not hold up the others', async (t) => {
  const s = await setup(t)
  const people = [await s.person(), await s.person(), await s.person()]
  const [stuck] = people
  for (const person of people) await s.deletion(person, true)
  await exportsAreMade(s)
  await sql
    .raw(`create function public.stays() returns trigger language plpgsql as
    $$ begin raise exception 'a rule of somebody else' using errcode = 'check_violation'; end $$`)
    .execute(s.db)
  await sql`create trigger stays after delete on public.users for each row
    when (old.id = ${sql.lit(stuck?.user.id)}) execute function public.stays()`.execute(s.db)

  await eraseAccounts({ lease: await lend(s) }, s.deps)

  t.strictSame(await s.db.selectFrom('users').select('id').execute(), [{ id: stuck?.user.id }])
  const [open, ...others] = await s.db
    .selectFrom('deletions')
    .selectAll()
    .where('status', '=', 'erasing')
    .execute()
  t.strictSame(others, [])
  t.match(open, { user_id: stuck?.user.id, lease: null, attempts: 1 })
  t.match(
    s.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'deletion.failed'),
    [{ deletion: open?.id, err: { code: '23514', message: '23514' } }],
  )
  t.strictSame(await s.dispatchDeletions(), undefined, 'it waits')

  await sql`drop function public.stays cascade`.execute(s.db)
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    s.db,
  )
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  t.strictSame(await s.db.selectFrom('users').select('id').execute(), [])
})

t.test('an account of which a trigger keeps rows is never erased, and then is', async (t) => {
  const s = await setup(t)
  const [kept, other] = [await s.person(), await s.person()]
  for (const person of [kept, other]) await s.deletion(person, true)
  await saveMany(s, kept, 2)
  await exportsAreMade(s)
  await sql
    .raw(`create function public.keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keeps before delete on public.saved_passwords for each row execute function public.keep()`)
    .execute(s.db)
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  const [refused] = s.lines
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === 'erasure.refused')
  t.match(refused?.reasons, [/^saved_passwords: its trigger keeps runs before each row/])
  t.strictSame(await ids(s), [kept.user.id, other.user.id])

  // The operator says that it may stay, and is wrong.
  const { saved_passwords: entry } = s.deps.dataMap.tables
  if (!entry) throw new Error('the map has no such table')
  const tables = { saved_passwords: { ...entry, triggers: { keeps: 'it only counts' } } }
  const dataMap = { ...s.deps.dataMap, tables: { ...s.deps.dataMap.tables, ...tables } }
  await sql`update public.deletions set next_attempt_at = now()`.execute(s.db)
  await eraseAccounts({ lease: await lend(s) }, { ...s.deps, dataMap })
  t.strictSame(await ids(s), [kept.user.id])
  t.match(await open(s), { user_id: kept.user.id, lease: null, attempts: 1 })
  t.equal((await mailsOf(s, 'account-erased')).length, 1, 'only the other one is told')
  const failed = s.lines.filter((line) => line.includes('deletion.failed'))
  t.match(
    failed.map((line) => JSON.parse(line)),
    [
      {
        deletion: (await open(s))?.id,
        err: {
          type: 'RowsKeptError',
          table: 'saved_passwords',
          message: / 2 rows were found and 0 /,
        },
      },
    ],
  )

  await sql`drop function public.keep cascade`.execute(s.db)
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    s.db,
  )
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  t.strictSame(await ids(s), [])
})

t.test('one person with a great many rows goes in portions, after the others', async (t) => {
  const s = await setup(t)
  const [large, ...others] = [await s.person(), await s.person(), await s.person()]
  for (const person of [large, ...others]) await s.deletion(person, true)
  await saveMany(s, large, 12_345)
  await exportsAreMade(s)
  const first = eraseAccounts({ lease: await lend(s) }, s.deps)
  // A worker dies over it, as far as the next one can tell.
  await until('some of it has gone', async () => (await open(s))?.erased_counts)
  t.strictSame(await ids(s), [large.user.id], 'the others are gone already')
  s.stop.abort(new Error('stopping'))
  await first
  const half = (await open(s))?.erased_counts?.tables.saved_passwords ?? 0
  t.ok(half >= 1_000 && half < 12_345, `${half} are gone, and counted`)
  const { rows } = await sql<{
    n: number
  }>`select count(*) as n from public.saved_passwords`.execute(s.db)
  t.equal(rows[0]?.n, 12_345 - half)

  const lease = await lend(s)
  await eraseAccounts({ lease }, { ...s.deps, stop: new AbortController().signal })
  t.strictSame(await ids(s), [])
  const all = await s.db.selectFrom('deletions').select(['status', 'erased_counts']).execute()
  t.match(
    all.find(({ erased_counts }) => erased_counts?.tables.saved_passwords),
    { status: 'erased', erased_counts: { tables: { saved_passwords: 12_345, users: 1 } } },
    'the tombstone counts what both took',
  )
})

t.test('a schema that changes between two portions stops them', async (t) => {
  const s = await setup(t)
  const large = await s.person()
  await s.deletion(large, true)
  await saveMany(s, large, 12_345)
  await exportsAreMade(s)
  const erasing = eraseAccounts({ lease: await lend(s) }, s.deps)
  await until('some of it has gone', async () => (await open(s))?.erased_counts)
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    s.db,
  )
  await erasing
  t.strictSame(await ids(s), [large.user.id])
  t.match(await open(s), { lease: null, attempts: 1 })
  const told = s.lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'deletion.failed')
  t.match(told?.err, { type: 'IncompleteDataMapError' })
})

t.test('while a table of theirs is not in the data map, nobody is even claimed', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person(), true)
  await exportsAreMade(s)
  await sql`create table public.notes (user_id bigint references public.users on delete cascade)`.execute(
    s.db,
  )
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  t.match(await s.db.selectFrom('deletions').selectAll().execute(), [
    { status: 'pending', lease: null },
  ])
  const told = s.lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'erasure.refused')
  t.match(told?.reasons, [/^notes: .* add notes: \{/])

  await sql`drop table public.notes`.execute(s.db)
  await sql`update public.deletions set next_attempt_at = now()`.execute(s.db)
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  t.match(await s.db.selectFrom('deletions').selectAll().execute(), [{ status: 'erased' }])
})

t.test('a database that goes away delays nobody by more than seconds', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person(), true)
  await exportsAreMade(s)
  // Workers died over it before.
  await sql`update public.deletions set attempts = 7`.execute(s.db)
  await sql`create function public.full_disk() returns trigger language plpgsql as
    $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$`.execute(s.db)
  await sql`create trigger full_disk before delete on public.users execute function public.full_disk()`.execute(
    s.db,
  )
  await eraseAccounts({ lease: await lend(s) }, s.deps)
  const soon = sql<boolean>`next_attempt_at between now() and now() + interval '5 seconds'`
  t.match(await s.db.selectFrom('deletions').selectAll().select(soon.as('soon')).execute(), [
    { status: 'erasing', lease: null, attempts: 8, soon: true },
  ])
})

t.test('so does somebody who is using a row of theirs', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await s.deletion(person, true)
  await exportsAreMade(s)
  await sql`update public.deletions set attempts = 7`.execute(s.db)
  const lease = await lend(s)
  const user = await s.db.startTransaction().execute()
  await sql`select from public.users for key share`.execute(user)
  await eraseAccounts({ lease }, s.deps)
  await user.rollback().execute()
  const soon = sql<boolean>`next_attempt_at between now() and now() + interval '5 seconds'`
  t.match(await s.db.selectFrom('deletions').selectAll().select(soon.as('soon')).execute(), [
    { status: 'erasing', lease: null, attempts: 8, soon: true },
  ])
})

t.test('files that cannot be removed hold up their owner alone', async (t) => {
  const s = await setup(t)
  const other = await s.person()
  await sql`alter table public.users alter column id restart with 1000000000`.execute(s.db)
  const stuck = await s.person()
  for (const person of [stuck, other]) await s.deletion(person, true)
  await exportsAreMade(s)
  // With the longer of the two ids the path is longer than the system takes, from root too.
  const uploadDir = '/x'.repeat(2_046)
  const lease = await lend(s)

  await eraseAccounts({ lease }, { ...s.deps, uploadDir })

  t.strictSame(await s.db.selectFrom('users').select('id').execute(), [{ id: stuck.user.id }])
})

t.test('a worker that stops gives the batch back, claimed as it is', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person(), true)
  await exportsAreMade(s)
  const lease = await lend(s)
  s.stop.abort(new Error('stopping'))
  await eraseAccounts({ lease }, s.deps)
  t.match(await s.db.selectFrom('deletions').selectAll().execute(), [
    { status: 'erasing', lease: null },
  ])
  t.ok(await s.dispatchDeletions(), 'and free')
})

async function open({ db }: Setup) {
  return db.selectFrom('deletions').selectAll().where('status', '=', 'erasing').executeTakeFirst()
}

async function ids({ db }: Setup): Promise<number[]> {
  return (await db.selectFrom('users').select('id').execute()).map(({ id }) => id)
}

async function saveMany({ db }: Setup, { user }: Person, rows: number): Promise<void> {
  await sql`insert into public.saved_passwords (id, user_id, site, username, secret)
    select gen_random_uuid(), ${user.id}, 's', 'u', ${Buffer.alloc(30)} from generate_series(1, ${rows}::int)`.execute(
    db,
  )
}

async function lend(s: Setup): Promise<string> {
  return (await s.dispatchDeletions()) ?? ''
}

/** Erasure waits for the promised export. */
async function exportsAreMade({ db }: Setup) {
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(db)
}

async function upload({ deps, db }: Setup, { user }: Person) {
  const folder = path.join(deps.uploadDir, String(user.id))
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'face.png'), 'image')
  await db
    .insertInto('avatars')
    .values({ user_id: user.id, file_name: 'face.png', content_type: 'image/png', bytes: 5 })
    .execute()
}

function mailsOf({ db }: Setup, mail: 'account-erased') {
  return db.selectFrom('outbox').selectAll().where('mail', '=', mail).execute()
}
