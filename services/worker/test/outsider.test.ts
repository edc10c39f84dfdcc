import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { lifecycleTables } from '@lethe/accounts'
import { breakerLimits } from '@lethe/accounts/testing'
import {
  guardFolders,
  openArchive,
  openMarkedFolders,
  openStorage,
  type Storage,
} from '@lethe/archive'
import { type Db, migrate, openSnapshotPool } from '@lethe/db'
import { emptyDb } from '@lethe/db/testing'
import type { DataMap } from '@lethe/erasure'
import { forumMap, makeForum } from '@lethe/erasure/testing'
import {
  cancelDeletionByToken,
  deriveKeys,
  exportToken,
  type Keys,
  openExport,
  scheduleDeletion,
  verifyAuditChain,
} from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import yauzl from 'yauzl'
import { createLog } from '../src/logging.ts'
import { openMailer } from '../src/mailer.ts'
import { startWorker } from '../src/worker.ts'
import { type SmtpSink, smtpSink } from './smtp-sink.ts'

const [ada, bob] = [1, 2]

t.test(
  'deletes, cancels, exports and erases the members of a forum without our users',
  async (t) => {
    const { db, keys, sink, storage, uploadDir } = await startForum(t)

    await schedule(db, keys, ada)
    t.same(await people(db), { ada: 'banned, 0 log-ins', bob: 'active, 1 log-ins' })
    const scheduled = await mailTo(sink, 'ada@forum.test', 'will be erased')
    const token = /cancel#token=(\S+)/.exec(scheduled)?.[1] ?? ''
    await cancelDeletionByToken(db, token)
    t.same(await people(db), { ada: 'active, 0 log-ins', bob: 'active, 1 log-ins' })
    await mailTo(sink, 'ada@forum.test', 'active again')

    const id = await schedule(db, keys, ada)
    // The archive of the first deletion may have been announced too, at the moment of the cancel.
    const link = await linkOf(db, keys, id)
    await until('the mail with its link', () =>
      sink.received.find(({ email }) => email.text?.includes(`export#token=${link}`)),
    )
    const files = await archiveOf(db, keys, storage, link)
    t.match(JSON.parse(files.get('data/forum-posts.json') ?? ''), [{ body: 'by ada' }])
    t.match(JSON.parse(files.get('data/forum-members.json') ?? ''), [{ name: 'ada' }])
    t.match(JSON.parse(files.get('data/forum-invoices.json') ?? ''), [{ number: 'I-1' }])
    t.equal(files.get('files/uploads/1.png'), 'image')
    t.notMatch([...files.values()].join(), 'bob')
    await monthLater(db, id)
    await until('the erasure', async () => (await statusOf(db, id)) === 'erased')
    await mailTo(sink, 'ada@forum.test', 'has been erased')

    t.same(await people(db), { bob: 'active, 1 log-ins' })
    const { rows: invoices } = await sql`select * from forum.invoices order by number`.execute(db)
    t.match(invoices, [
      { number: 'I-1', member_id: null, billed_to: 'Ada, London', nickname: null },
      { number: 'I-2', member_id: bob, nickname: 'bob' },
    ])
    t.same(await readdir(path.join(uploadDir, 'forum')), [String(bob)])
    await t.rejects(sql`insert into forum.logins values ('late', ${ada})`.execute(db), {
      code: 'LT001',
    })
    const { erased_counts } = await db
      .selectFrom('deletions')
      .select('erased_counts')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    t.match(erased_counts?.tables, {
      'forum.members': 1,
      'forum.posts': 1,
      'forum.logins': 0,
      'forum.invoices.member_id': 1,
    })
    t.match(await verifyAuditChain(db), { brokenAt: undefined })
  },
)

/** Starts a worker for a database that has the tables of a forum instead of our users. */
async function startForum(t: Test) {
  const { db, url } = await emptyDb(t)
  const snapshotPool = openSnapshotPool(url, { max: 2 })
  const sink = await smtpSink(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-forum-'))
  const exportDir = path.join(folder, 'exports')
  const storage = openStorage(exportDir)
  await migrate(db, { withoutUsers: true })
  await makeForum(db)
  await sql
    .raw(`
    insert into forum.members (id, name, address) values (1, 'ada', 'ada@forum.test'), (2, 'bob', 'bob@forum.test');
    insert into forum.logins values ('a', 1), ('b', 2);
    insert into forum.threads values (1, 'of bob', 2);
    insert into forum.posts values (1, 1, 1, null, 'by ada'), (1, 2, 2, null, 'by bob');
    insert into forum.invoices values ('I-1', 1, 'Ada, London', 100, 'ada'), ('I-2', 2, 'Bob, Paris', 200, 'bob')`)
    .execute(db)
  const uploadDir = path.join(folder, 'uploads')
  for (const id of [ada, bob]) {
    await mkdir(path.join(uploadDir, 'forum', String(id)), { recursive: true })
    await writeFile(path.join(uploadDir, 'forum', String(id), 'face.png'), 'image')
  }
  const keys = deriveKeys(randomBytes(32))
  const publicUrl = 'http://forum.test'
  const mailer = openMailer(sink.url, { name: 'Forum', address: 'no-reply@forum.test' }, publicUrl)
  const map: DataMap = { ...forumMap, tables: { ...forumMap.tables, ...lifecycleTables } }
  const log = createLog('silent')
  const marked = openMarkedFolders({ exportDir, uploadDir })
  const worker = await startWorker(
    {
      db,
      keys,
      mailer,
      publicUrl,
      uploadDir,
      breakerLimits,
      dataMap: map,
      log,
      snapshotPool,
      storage,
      folders: guardFolders({ db, map, folders: marked, log }),
      exportTtl: 'P7D',
      rateLimits: true,
      purgeExpiredSessions: async () => 0,
    },
    { databaseUrl: url, host: '127.0.0.1', port: 0 },
  )
  t.teardown(async () => {
    await worker.close()
    mailer.close()
    await snapshotPool.end()
    await rm(folder, { recursive: true })
  })
  return { db, keys, sink, storage, uploadDir }
}

/** Opens the archive by the mailed link and returns its files by name. */
async function archiveOf(db: Db, keys: Keys, storage: Storage, token: string) {
  const opened = await openArchive(storage, await openExport(db, keys, token))
  if (!opened) throw new Error('it is not there')
  const zip = await yauzl.fromBufferPromise(await buffer(opened.stream))
  const files = new Map<string, string>()
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, String(await buffer(await zip.openReadStreamPromise(entry))))
  return files
}

/** Schedules a deletion. Permission checks are the responsibility of the forum. */
async function schedule(db: Db, keys: Keys, person: number): Promise<string> {
  const deletion = await db
    .transaction()
    .execute((tx) =>
      scheduleDeletion(tx, keys, person, { grace: 'P27D', by: 'owner', newAccount: false }),
    )
  if (!deletion) throw new Error('they were not active')
  return deletion.id
}

/** Moves the dates of the deletion 28 days into the past. */
async function monthLater(db: Db, id: string): Promise<void> {
  await sql`
    update public.deletions set next_reminder_at = null, next_attempt_at = now(),
      requested_at = requested_at - interval '28 days', erase_after = erase_after - interval '28 days'
    where id = ${id}`.execute(db)
}

async function statusOf(db: Db, id: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('deletions')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirst()
  return row?.status
}

async function people(db: Db): Promise<Record<string, string>> {
  const { rows } = await sql<{ name: string; state: string }>`
    select name, case when banned then 'banned' else 'active' end || ', ' || (
      select count(*) from forum.logins where member_id = members.id) || ' log-ins' as state
    from forum.members`.execute(db)
  return Object.fromEntries(rows.map(({ name, state }) => [name, state]))
}

/** The token in the link to the archive of this deletion. */
async function linkOf(db: Db, keys: Keys, deletion: string): Promise<string> {
  const { token_nonce } = await db
    .selectFrom('exports')
    .select('token_nonce')
    .where('deletion_id', '=', deletion)
    .executeTakeFirstOrThrow()
  return exportToken(keys, token_nonce ?? Buffer.alloc(0))
}

/** The text of the first mail to this address whose subject contains `about`. */
async function mailTo(sink: SmtpSink, address: string, about: string): Promise<string> {
  const mail = await until(`the mail ${about}`, () =>
    sink.received.find(
      ({ to, email }) => to.includes(address) && email.subject?.toLowerCase().includes(about),
    ),
  )
  return mail.email.text ?? ''
}
