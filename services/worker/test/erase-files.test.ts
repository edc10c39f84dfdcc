import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Person } from '@lethe/accounts/testing'
import { makePlan, readNamedFiles } from '@lethe/erasure'
import { claimDeletions, recordFindings, retryErasure } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { eraseFiles } from '../src/handlers/erase-files.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

t.test('a missing file stops only the erasure of its owner', async (t) => {
  const ctx = await createWorkerContext(t)
  const [lost, other] = [await ctx.person(), await ctx.person()]
  for (const person of [lost, other]) await upload(ctx, person)
  await rm(fileOf(ctx, lost))
  const deletion = await requestDue(ctx, lost)
  await requestDue(ctx, other)
  await eraseOnce(ctx)

  t.strictSame(await ids(ctx), [lost.user.id], 'the other account is erased')
  t.match(await row(ctx, deletion.id), {
    status: 'erasing',
    lease: null,
    attempts: 1,
    files_found: null,
    files_missing: { avatars: 1 },
  })
  t.match(logLines(ctx, 'deletion.files-missing'), [
    {
      deletion: deletion.id,
      missing: { avatars: 1 },
      remedy: /UPLOAD_DIR.*deletions retry .*--accept-missing-files/,
    },
  ])
  t.notMatch(ctx.lines.join(), `/${lost.user.id}/`, 'no log line contains the path of the person')

  // The operator puts the file back.
  await writeFile(fileOf(ctx, lost), 'image')
  await makeRetryDue(ctx)
  await eraseOnce(ctx)
  t.strictSame(await ids(ctx), [])
  t.match(await row(ctx, deletion.id), {
    status: 'erased',
    files_found: { avatars: 1 },
    files_missing: null,
    erased_counts: { files: 1, bytes: 5 },
  })
})

t.test('an account whose picture is in another UPLOAD_DIR is not erased', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  await requestDue(ctx, person)
  const lease = (await ctx.dispatchDeletions()) ?? ''
  // The worker has another UPLOAD_DIR, which is empty.
  await eraseAccounts({ lease }, { ...ctx.deps, uploadDir: `${ctx.deps.uploadDir}-of-the-worker` })
  t.strictSame(await ids(ctx), [person.user.id], 'the account is not erased')
})

t.test('an accepted file loss is in the audit events and not in the counts', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  const deletion = await requestDue(ctx, person)
  await rm(fileOf(ctx, person))
  t.equal(
    await retryErasure(ctx.db, crypto.randomUUID(), { acceptMissing: true, reason: 'x' }),
    undefined,
  )
  await eraseOnce(ctx)
  t.match(await retryErasure(ctx.db, deletion.id, { acceptMissing: true, reason: 'disk lost' }), {
    accepted: { avatars: 1 },
  })
  await eraseOnce(ctx)
  t.strictSame(await ids(ctx), [])
  t.match(await row(ctx, deletion.id), {
    status: 'erased',
    files_missing: { avatars: 1 },
    erased_counts: { tables: { avatars: 1 }, files: 0 },
  })
  const events = await ctx.db
    .selectFrom('audit_events')
    .select(['deletion_id', 'details'])
    .where('event', '=', 'deletion.retried')
    .execute()
  t.match(events, [
    { deletion_id: deletion.id, details: { reason: 'disk lost', acceptedMissing: { avatars: 1 } } },
  ])
})

t.test('a retry without accepting the loss stops at the same file', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  const deletion = await requestDue(ctx, person)
  await rm(fileOf(ctx, person))
  await eraseOnce(ctx)
  await retryErasure(ctx.db, deletion.id, { acceptMissing: false, reason: 'try' })
  await eraseOnce(ctx)
  t.strictSame(await ids(ctx), [person.user.id])
  t.match(await row(ctx, deletion.id), { status: 'erasing', attempts: 2 })
})

t.test('an accepted loss covers only the files that were missing at that time', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  const deletion = await requestDue(ctx, person)
  const lease = crypto.randomUUID()
  await sql`update public.deletions set status = 'erasing', claimed_at = now(), next_reminder_at = null,
    lease = ${lease}, files_accepted = '{"avatars": 1}'`.execute(ctx.db)
  const finding = (avatars: number) => [{ id: deletion.id, found: {}, missing: { avatars } }]
  t.strictSame(await recordFindings(ctx.db, lease, finding(2)), [])
  t.strictSame(await recordFindings(ctx.db, crypto.randomUUID(), finding(1)), [], 'another lease')
  t.strictSame(await recordFindings(ctx.db, lease, finding(1)), [deletion.id])
})

t.test('an erasure that fails after its files were removed is resumed', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  const deletion = await requestDue(ctx, person)
  // Deleting the rows fails, so this attempt ends after the files were removed.
  await sql`create function public.stays() returns trigger language plpgsql as
    $$ begin raise exception 'not now'; end $$`.execute(ctx.db)
  await sql`create trigger stays after delete on public.users for each row
    execute function public.stays()`.execute(ctx.db)
  await eraseOnce(ctx)
  t.match(await row(ctx, deletion.id), { status: 'erasing', files_found: { avatars: 1 } })
  await t.rejects(rename(fileOf(ctx, person), fileOf(ctx, person)), { code: 'ENOENT' })

  await sql`drop function public.stays cascade`.execute(ctx.db)
  await makeRetryDue(ctx)
  await eraseOnce(ctx)
  t.strictSame(await ids(ctx), [])
  t.match(await row(ctx, deletion.id), { status: 'erased', erased_counts: { files: 1, bytes: 5 } })
})

t.test('the found files are recorded before the first file is removed', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await upload(ctx, person)
  const deletion = await requestDue(ctx, person)
  // Recording fails, so no file may be removed.
  await sql`alter table public.deletions add constraint none check (files_found is null)`.execute(
    ctx.db,
  )
  await eraseOnce(ctx)
  await rename(fileOf(ctx, person), fileOf(ctx, person))
  t.match(await row(ctx, deletion.id), { status: 'erasing', files_found: null })
})

t.test('many files are checked page by page and counted together', async (t) => {
  const ctx = await createWorkerContext(t)
  const [whole, lost] = [await ctx.person(), await ctx.person()]
  await sql`alter table public.avatars drop constraint avatars_pkey`.execute(ctx.db)
  await sql`create index on public.avatars (user_id)`.execute(ctx.db)
  for (const person of [whole, lost]) {
    const names = Array.from({ length: 1_200 }, (_, place) => `${place}.png`)
    await mkdir(path.dirname(fileOf(ctx, person)), { recursive: true })
    for (const name of names)
      if (person === whole || name !== '1199.png')
        await writeFile(path.join(path.dirname(fileOf(ctx, person)), name), 'image')
    await sql`insert into public.avatars (user_id, file_name, content_type, bytes)
      select ${person.user.id}, name, 'image/png', 5 from unnest(${names}::text[]) name`.execute(
      ctx.db,
    )
  }
  const plan = await makePlan(ctx.db, ctx.deps.dataMap)
  const people = [whole.user.id, lost.user.id]
  const pages: number[] = []
  await readNamedFiles(ctx.db, plan, people, async (files) => void pages.push(files.length))
  t.strictSame(pages, [1_000, 1_000, 400])

  const deletions = [await requestDue(ctx, whole), await requestDue(ctx, lost)]
  const claim = await claimDeletions(
    ctx.db,
    (await ctx.dispatchDeletions()) ?? '',
    ctx.deps.breakerLimits,
  )
  let looks = 0
  const afterOnePage = {
    throwIfAborted() {
      if (looks++ === 1) throw new Error('let go')
    },
  } as AbortSignal
  await t.rejects(eraseFiles(plan, claim, ctx.deps, afterOnePage), { message: 'let go' })
  t.equal(looks, 2, 'no further page is checked')
  t.match(await row(ctx, deletions[0]?.id ?? ''), { files_found: null, files_missing: null })

  await eraseFiles(plan, claim, ctx.deps, ctx.stop.signal)
  t.match(await row(ctx, deletions[0]?.id ?? ''), { files_found: { avatars: 1_200 } })
  t.match(await row(ctx, deletions[1]?.id ?? ''), {
    files_found: null,
    files_missing: { avatars: 1 },
  })
})

function fileOf({ deps }: WorkerContext, { user }: Person): string {
  return path.join(deps.uploadDir, String(user.id), 'face.png')
}

async function upload(ctx: WorkerContext, person: Person): Promise<void> {
  await mkdir(path.dirname(fileOf(ctx, person)), { recursive: true })
  await writeFile(fileOf(ctx, person), 'image')
  await ctx.db
    .insertInto('avatars')
    .values({
      user_id: person.user.id,
      file_name: 'face.png',
      content_type: 'image/png',
      bytes: 5,
    })
    .execute()
}

/** Requests a deletion that is due and waits for no export. */
async function requestDue(ctx: WorkerContext, person: Person) {
  const deletion = await ctx.deletion(person, true)
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(ctx.db)
  return deletion
}

async function eraseOnce(ctx: WorkerContext): Promise<void> {
  await eraseAccounts({ lease: (await ctx.dispatchDeletions()) ?? '' }, ctx.deps)
}

async function makeRetryDue({ db }: WorkerContext): Promise<void> {
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    db,
  )
}

async function ids({ db }: WorkerContext): Promise<number[]> {
  const users = await db.selectFrom('users').select('id').orderBy('id').execute()
  return users.map(({ id }) => id)
}

function row({ db }: WorkerContext, id: string) {
  return db.selectFrom('deletions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

function logLines({ lines }: WorkerContext, msg: string): object[] {
  return lines.map((line) => JSON.parse(line)).filter((line) => line.msg === msg)
}
