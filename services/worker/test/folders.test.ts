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
import { createWorkerContext, noQueue, type WorkerContext } from './setup.ts'

t.setTimeout(180_000)

const main = path.join(import.meta.dirname, '../src/main.ts')

t.test(
  'a worker on a restored copy does not start and removes nothing of production',
  async (t) => {
    const ctx = await createWorkerContext(t)
    const secret = randomBytes(32)
    Object.assign(ctx.keys, deriveKeys(secret))
    await adoptSecretKey(ctx.db, ctx.keys)
    await guardOf(ctx).start()
    await mkdir(path.join(ctx.deps.uploadDir, '1'), { recursive: true })
    await ctx.deletion(await ctx.person())
    await makeExports(ctx)
    const before = await readdir(ctx.exportDir)
    t.equal(before.length, 2, 'an archive and the mark')
    const copy = await copyOf(t, ctx)
    // These archives are newer than the copy, so it does not know them, and old enough to be collected.
    await ctx.deletion(await ctx.person())
    await makeExports(ctx)
    const names = await readdir(ctx.exportDir)
    const longAgo = new Date(Date.now() - 3 * 24 * 60 * 60 * 1_000)
    for (const name of names) await utimes(path.join(ctx.exportDir, name), longAgo, longAgo)

    const { code, errors } = await runWorker(t, ctx, copy, secret.toString('base64url'))
    t.equal(code, 1)
    t.match(errors, /^EXPORT_DIR belongs to another database.* folders claim --reason "…"`\.\n$/)
    t.strictSame(await readdir(ctx.exportDir), names)
  },
)

t.test('a lost archive is made again and opens by the mailed link', async (t) => {
  const ctx = await createWorkerContext(t)
  const { id } = await ctx.deletion(await ctx.person())
  await makeExports(ctx)
  const link = await linkOf(ctx, id)
  const { fileName } = await openExport(ctx.db, ctx.keys, link)
  await sql`update public.outbox set status = 'sent', finished_at = now()`.execute(ctx.db)
  await rm(path.join(ctx.exportDir, fileName))

  await sweepTasks(ctx.deps, noQueue)['check-archives'].run()
  t.match(JSON.parse(ctx.lines.at(-1) ?? ''), { msg: 'archive.missing', isMadeAgain: true })
  await makeExports(ctx)
  const again = await openExport(ctx.db, ctx.keys, link)
  t.not(again.fileName, fileName)
  const opened = await openArchive(ctx.deps.storage, again)
  opened?.stream.destroy()
  t.ok(opened)
  const mails = await ctx.db
    .selectFrom('outbox')
    .select('id')
    .where('mail', '=', 'export-ready')
    .execute()
  t.equal(mails.length, 1, 'the mail is not sent twice')
})

t.test('an archive lost after the end of its deletion is marked as missing', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await makeExports(ctx)
  await sql`update public.deletions set status = 'cancelled', cancelled_at = now(), token_nonce = null, next_reminder_at = null`.execute(
    ctx.db,
  )
  for (const name of await ctx.stored()) await rm(path.join(ctx.exportDir, name))
  await sweepTasks(ctx.deps, noQueue)['check-archives'].run()
  const rows = await ctx.db.selectFrom('exports').selectAll().execute()
  t.match(rows, [{ status: 'ready', missing_since: Date }])
})

t.test('a running worker writes and removes nothing in a folder of another database', async (t) => {
  const ctx = await createWorkerContext(t)
  const reason = 'EXPORT_DIR belongs to another database'
  const foreign = {
    ...ctx.deps,
    folders: { start: async () => reason, findProblem: async () => reason },
  }
  await ctx.deletion(await ctx.person())
  const [lease = ''] = await dispatchExports(ctx.db)
  await exportAccounts({ lease }, foreign)
  t.strictSame(await ctx.stored(), [])
  await sql`update public.exports set next_attempt_at = now()`.execute(ctx.db)
  await makeExports(ctx)
  await sql`update public.exports set status = 'expired', token_nonce = null, next_attempt_at = now()`.execute(
    ctx.db,
  )
  const tasks = sweepTasks(foreign, noQueue)
  for (const name of ['remove-archives', 'check-archives', 'remove-orphaned-archives'] as const)
    await tasks[name].run()
  t.equal((await ctx.stored()).length, 1)
})

const log = { warn: () => {} }

function guardOf(ctx: WorkerContext) {
  const folders = openMarkedFolders({ exportDir: ctx.exportDir, uploadDir: ctx.deps.uploadDir })
  return guardFolders({ db: ctx.db, map: dataMap, folders, log })
}

async function makeExports(ctx: WorkerContext): Promise<void> {
  for (const lease of await dispatchExports(ctx.db)) await exportAccounts({ lease }, ctx.deps)
}

/** Copies the database with `create database … template`, like a restore beside production. */
async function copyOf(
  t: Pick<typeof import('tap').t, 'teardown'>,
  ctx: WorkerContext,
): Promise<string> {
  const url = new URL(ctx.databaseUrl)
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
  ctx: WorkerContext,
  databaseUrl: string,
  SECRET_KEY: string,
) {
  const { NODE_COMPILE_CACHE } = process.env
  const worker = spawn(process.execPath, [main], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      NODE_COMPILE_CACHE,
      DATABASE_URL: databaseUrl,
      SMTP_URL: ctx.sink.url,
      SECRET_KEY,
      WORKER_PORT: '0',
      EXPORT_DIR: ctx.exportDir,
      UPLOAD_DIR: ctx.deps.uploadDir,
    },
  })
  t.teardown(() => worker.kill('SIGKILL'))
  const [errors, [code]] = await Promise.all([text(worker.stderr), once(worker, 'exit')])
  return { code, errors }
}

async function linkOf(ctx: WorkerContext, deletionId: string): Promise<string> {
  const { token_nonce } = await ctx.db
    .selectFrom('exports')
    .select('token_nonce')
    .where('deletion_id', '=', deletionId)
    .executeTakeFirstOrThrow()
  return exportToken(ctx.keys, token_nonce ?? Buffer.alloc(0))
}
