import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Person } from '@lethe/accounts/testing'
import { makePlan, readNamedFiles } from '@lethe/erasure'
import { claimDeletions, recordFindings, retryErasure } from '@lethe/lifecycle'
import { sql } from 'kysely'
import t from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { eraseFiles } from '../src/handlers/erase-files.ts'
import { type Setup, setup } from './setup.ts'

t.test('a file that is missing before any was removed stops that erasure alone', async (t) => {
  const s = await setup(t)
  const [lost, other] = [await s.person(), await s.person()]
  for (const person of [lost, other]) await upload(s, person)
  await rm(fileOf(s, lost))
  const deletion = await due(s, lost)
  await due(s, other)
  await eraseOnce(s)

  t.strictSame(await ids(s), [lost.user.id], 'the other one is erased')
  t.match(await row(s, deletion.id), {
    ...{ status: 'erasing', lease: null, attempts: 1 },
    ...{ files_found: null, files_missing: { avatars: 1 } },
  })
  t.match(told(s, 'deletion.files-missing'), [
    {
      deletion: deletion.id,
      missing: { avatars: 1 },
      remedy: /UPLOAD_DIR.*deletions retry .*--accept-missing-files/,
    },
  ])
  t.notMatch(s.lines.join(), `/${lost.user.id}/`, 'no path with the person in it')

  // The operator finds it in the folder of another machine.
  await writeFile(fileOf(s, lost), 'image')
  await later(s)
  await eraseOnce(s)
  t.strictSame(await ids(s), [])
  t.match(await row(s, deletion.id), {
    ...{ status: 'erased', files_found: { avatars: 1 }, files_missing: null },
    erased_counts: { files: 1, bytes: 5 },
  })
})

t.test('a picture in another UPLOAD_DIR is not left behind', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  await due(s, person)
  const lease = (await s.dispatchDeletions()) ?? ''
  // Its own first start has marked this folder, which was empty.
  await eraseAccounts({ lease }, { ...s.deps, uploadDir: `${s.deps.uploadDir}-of-the-worker` })
  t.strictSame(await ids(s), [person.user.id], 'nobody is told that it is gone')
})

t.test('a loss that an operator accepts is in the audit events, and is not counted', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  const deletion = await due(s, person)
  await rm(fileOf(s, person))
  t.equal(
    await retryErasure(s.db, crypto.randomUUID(), { acceptMissing: true, reason: 'x' }),
    undefined,
  )
  await eraseOnce(s)
  t.match(await retryErasure(s.db, deletion.id, { acceptMissing: true, reason: 'disk lost' }), {
    accepted: { avatars: 1 },
  })
  await eraseOnce(s)
  t.strictSame(await ids(s), [])
  t.match(await row(s, deletion.id), {
    ...{ status: 'erased', files_missing: { avatars: 1 } },
    erased_counts: { tables: { avatars: 1 }, files: 0 },
  })
  const events = await s.db
    .selectFrom('audit_events')
    .select(['deletion_id', 'details'])
    .where('event', '=', 'deletion.retried')
    .execute()
  t.match(events, [
    { deletion_id: deletion.id, details: { reason: 'disk lost', acceptedMissing: { avatars: 1 } } },
  ])
})

t.test('a retry without an accepted loss stops at the same file again', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  const deletion = await due(s, person)
  await rm(fileOf(s, person))
  await eraseOnce(s)
  await retryErasure(s.db, deletion.id, { acceptMissing: false, reason: 'try' })
  await eraseOnce(s)
  t.strictSame(await ids(s), [person.user.id])
  t.match(await row(s, deletion.id), { status: 'erasing', attempts: 2 })
})

t.test('an accepted loss covers no more than was missing when it was accepted', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  const deletion = await due(s, person)
  const lease = crypto.randomUUID()
  await sql`update public.deletions set status = 'erasing', claimed_at = now(), next_reminder_at = null,
    lease = ${lease}, files_accepted = '{"avatars": 1}'`.execute(s.db)
  const finding = (avatars: number) => [{ id: deletion.id, found: {}, missing: { avatars } }]
  t.strictSame(await recordFindings(s.db, lease, finding(2)), [])
  t.strictSame(await recordFindings(s.db, crypto.randomUUID(), finding(1)), [], 'another lease')
  t.strictSame(await recordFindings(s.db, lease, finding(1)), [deletion.id])
})

t.test('a worker killed between the files and the rows is followed by another', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  const deletion = await due(s, person)
  // The rows cannot go: this try ends after the files have gone.
  await sql`create function public.stays() returns trigger language plpgsql as
    $$ begin raise exception 'not now'; end $$`.execute(s.db)
  await sql`create trigger stays after delete on public.users for each row
    execute function public.stays()`.execute(s.db)
  await eraseOnce(s)
  t.match(await row(s, deletion.id), { status: 'erasing', files_found: { avatars: 1 } })
  await t.rejects(rename(fileOf(s, person), fileOf(s, person)), { code: 'ENOENT' })

  await sql`drop function public.stays cascade`.execute(s.db)
  await later(s)
  await eraseOnce(s)
  t.strictSame(await ids(s), [])
  t.match(await row(s, deletion.id), { status: 'erased', erased_counts: { files: 1, bytes: 5 } })
})

t.test('the finding is committed before the first file is removed', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await upload(s, person)
  const deletion = await due(s, person)
  // Nothing can be committed to this row: then no file may go.
  await sql`alter table public.deletions add constraint none check (files_found is null)`.execute(
    s.db,
  )
  await eraseOnce(s)
  await rename(fileOf(s, person), fileOf(s, person))
  t.match(await row(s, deletion.id), { status: 'erasing', files_found: null })
})

t.test('many files are looked for page by page, and counted together', async (t) => {
  const s = await setup(t)
  const [whole, lost] = [await s.person(), await s.person()]
  await sql`alter table public.avatars drop constraint avatars_pkey`.execute(s.db)
  await sql`create index on public.avatars (user_id)`.execute(s.db)
  for (const person of [whole, lost]) {
    const names = Array.from({ length: 1_200 }, (_, place) => `${place}.png`)
    await mkdir(path.dirname(fileOf(s, person)), { recursive: true })
    for (const name of names)
      if (person === whole || name !== '1199.png')
        await writeFile(path.join(path.dirname(fileOf(s, person)), name), 'image')
    await sql`insert into public.avatars (user_id, file_name, content_type, bytes)
      select ${person.user.id}, name, 'image/png', 5 from unnest(${names}::text[]) name`.execute(
      s.db,
    )
  }
  const plan = await makePlan(s.db, s.deps.dataMap)
  const people = [whole.user.id, lost.user.id]
  const pages: number[] = []
  await readNamedFiles(s.db, plan, people, async (files) => void pages.push(files.length))
  t.strictSame(pages, [1_000, 1_000, 400])

  const deletions = [await due(s, whole), await due(s, lost)]
  const claim = await claimDeletions(
    s.db,
    (await s.dispatchDeletions()) ?? '',
    s.deps.breakerLimits,
  )
  let looks = 0
  const afterOnePage = {
    throwIfAborted() {
      if (looks++ === 1) throw new Error('let go')
    },
  } as AbortSignal
  await t.rejects(eraseFiles(plan, claim, s.deps, afterOnePage), { message: 'let go' })
  t.equal(looks, 2, 'no page is looked at after that')
  t.match(await row(s, deletions[0]?.id ?? ''), { files_found: null, files_missing: null })

  await eraseFiles(plan, claim, s.deps, s.stop.signal)
  t.match(await row(s, deletions[0]?.id ?? ''), { files_found: { avatars: 1_200 } })
  t.match(await row(s, deletions[1]?.id ?? ''), {
    ...{ files_found: null, files_missing: { avatars: 1 } },
  })
})

function fileOf({ deps }: Setup, { user }: Person): string {
  return path.join(deps.uploadDir, String(user.id), 'face.png')
}

async function upload(s: Setup, person: Person): Promise<void> {
  await mkdir(path.dirname(fileOf(s, person)), { recursive: true })
  await writeFile(fileOf(s, person), 'image')
  await s.db
    .insertInto('avatars')
    .values({
      ...{ user_id: person.user.id, file_name: 'face.png' },
      ...{ content_type: 'image/png', bytes: 5 },
    })
    .execute()
}

/** Their deletion is due, and waits for no export. */
async function due(s: Setup, person: Person) {
  const deletion = await s.deletion(person, true)
  await sql`update public.exports set status = 'failed', token_nonce = null`.execute(s.db)
  return deletion
}

async function eraseOnce(s: Setup): Promise<void> {
  await eraseAccounts({ lease: (await s.dispatchDeletions()) ?? '' }, s.deps)
}

async function later({ db }: Setup): Promise<void> {
  await sql`update public.deletions set next_attempt_at = now() where status = 'erasing'`.execute(
    db,
  )
}

async function ids({ db }: Setup): Promise<number[]> {
  const users = await db.selectFrom('users').select('id').orderBy('id').execute()
  return users.map(({ id }) => id)
}

function row({ db }: Setup, id: string) {
  return db.selectFrom('deletions').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

function told({ lines }: Setup, msg: string): object[] {
  return lines.map((line) => JSON.parse(line)).filter((line) => line.msg === msg)
}
