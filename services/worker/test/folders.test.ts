import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, rm, utimes } from 'node:fs/promises'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { dataMap } from '@lethe/accounts'
import { guardFolders, openArchive, openMarkedFolders } from '@lethe/archive'
import { connect } from '@lethe/db'
import {
  adoptSecretKey,
  deriveKeys,
  dispatchExports,
  exportToken,
  openExport,
} from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { exportAccounts } from '../src/handlers/export-accounts.ts'
import { sweepTasks } from '../src/sweep.ts'
import { noQueue, type Setup, setup } from './setup.ts'

t.setTimeout(180_000)

const main = path.join(import.meta.dirname, '../src/main.ts')

t.test('a worker on a restored copy does not start, and takes nothing of production', async (t) => {
  const s = await setup(t)
  const secret = randomBytes(32)
  Object.assign(s.keys, deriveKeys(secret))
  await adoptSecretKey(s.db, s.keys)
  await guardOf(s).start()
  await mkdir(path.join(s.deps.uploadDir, '1'), { recursive: true })
  await s.deletion(await s.person())
  await makeExports(s)
  const before = await readdir(s.exportDir)
  t.equal(before.length, 2, 'an archive and the mark')
  const copy = await copyOf(t, s)
  // Of the time after the copy: it knows nothing of them, and they are old.
  await s.deletion(await s.person())
  await makeExports(s)
  const names = await readdir(s.exportDir)
  const longAgo = new Date(Date.now() - 3 * 24 * 60 * 60 * 1_000)
  for (const name of names) await utimes(path.join(s.exportDir, name), longAgo, longAgo)

  const { code, errors } = await runWorker(t, s, copy, secret.toString('base64url'))
  t.equal(code, 1)
  t.match(errors, /^EXPORT_DIR belongs to another database.* folders claim --reason "…"`\.\n$/)
  t.strictSame(await readdir(s.exportDir), names)
})

t.test(
  'an archive that is lost is made again, and opens by the link that was mailed',
  async (t) => {
    const s = await setup(t)
    const { id } = await s.deletion(await s.person())
    await makeExports(s)
    const link = await linkOf(s, id)
    const { fileName } = await openExport(s.db, s.keys, link)
    await sql`update public.outbox set status = 'sent', finished_at = now()`.execute(s.db)
    await rm(path.join(s.exportDir, fileName))

    await sweepTasks(s.deps, noQueue)['check-archives'].run()
    t.match(JSON.parse(s.lines.at(-1) ?? ''), { msg: 'archive.missing', isMadeAgain: true })
    await makeExports(s)
    const again = await openExport(s.db, s.keys, link)
    t.not(again.fileName, fileName)
    const opened = await openArchive(s.deps.storage, again)
    opened?.stream.destroy()
    t.ok(opened)
    const mails = await s.db
      .selectFrom('outbox')
      .select('id')
      .where('mail', '=', 'export-ready')
      .execute()
    t.equal(mails.length, 1, 'the mail is not sent twice')
  },
)

t.test('an archive that is lost after the erasure is shown', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  await makeExports(s)
  await sql`update public.deletions set status = 'cancelled', cancelled_at = now(), token_nonce = null, next_reminder_at = null`.execute(
    s.db,
  )
  for (const name of await s.stored()) await rm(path.join(s.exportDir, name))
  await sweepTasks(s.deps, noQueue)['check-archives'].run()
  const rows = await s.db.selectFrom('exports').selectAll().execute()
  t.match(rows, [{ status: 'ready', missing_since: Date }])
})

t.test('a running worker writes and removes nothing in a folder of another database', async (t) => {
  const s = await setup(t)
  const reason = 'EXPORT_DIR belongs to another database'
  const foreign = { ...s.deps, folders: { start: async () => reason, whyNot: async () => reason } }
  await s.deletion(await s.person())
  const [lease = ''] = await dispatchExports(s.db)
  await exportAccounts({ lease }, foreign)
  t.strictSame(await s.stored(), [])
  await sql`update public.exports set next_attempt_at = now()`.execute(s.db)
  await makeExports(s)
  await sql`update public.exports set status = 'expired', token_nonce = null, next_attempt_at = now()`.execute(
    s.db,
  )
  const tasks = sweepTasks(foreign, noQueue)
  for (const name of ['remove-archives', 'check-archives', 'remove-orphaned-archives'] as const)
    await tasks[name].run()
  t.equal((await s.stored()).length, 1)
})

const log = { warn: () => {} }

function guardOf(s: Setup) {
  const folders = openMarkedFolders({ exportDir: s.exportDir, uploadDir: s.deps.uploadDir })
  return guardFolders({ db: s.db, map: dataMap, folders, log })
}

async function makeExports(s: Setup): Promise<void> {
  for (const lease of await dispatchExports(s.db)) await exportAccounts({ lease }, s.deps)
}

/** `create database … template`, as a restore beside production would be. */
async function copyOf(t: Pick<typeof import('tap').t, 'teardown'>, s: Setup): Promise<string> {
  const url = new URL(s.databaseUrl)
  const name = url.pathname.slice(1)
  const server = new URL(process.env.TEST_DATABASE_URL ?? '')
  const admin = connect(server.href, { max: 1 })
  const copied = await until('the copy', async () => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`.execute(
      admin,
    )
    const made = sql`create database ${sql.id(`${name}_copy`)} template ${sql.id(name)}`.execute(
      admin,
    )
    return made.then(
      () => true,
      () => false,
    )
  })
  t.teardown(async () => {
    await sql`drop database ${sql.id(`${name}_copy`)} with (force)`.execute(admin)
    await admin.destroy()
  })
  if (!copied) throw new Error('the database was not copied')
  url.pathname = `${name}_copy`
  return url.href
}

async function runWorker(
  t: Pick<typeof import('tap').t, 'teardown'>,
  s: Setup,
  databaseUrl: string,
  SECRET_KEY: string,
) {
  const { NODE_COMPILE_CACHE } = process.env
  const worker = spawn(process.execPath, [main], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...{ NODE_COMPILE_CACHE, DATABASE_URL: databaseUrl, SMTP_URL: s.sink.url, SECRET_KEY },
      ...{ WORKER_PORT: '0', EXPORT_DIR: s.exportDir, UPLOAD_DIR: s.deps.uploadDir },
    },
  })
  t.teardown(() => worker.kill('SIGKILL'))
  const [errors, [code]] = await Promise.all([text(worker.stderr), once(worker, 'exit')])
  return { code, errors }
}

async function linkOf(s: Setup, deletionId: string): Promise<string> {
  const { token_nonce } = await s.db
    .selectFrom('exports')
    .select('token_nonce')
    .where('deletion_id', '=', deletionId)
    .executeTakeFirstOrThrow()
  return exportToken(s.keys, token_nonce ?? Buffer.alloc(0))
}
