import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cancelDeletionByPassword, requestExport } from '@lethe/accounts'
import { type Person, password } from '@lethe/accounts/testing'
import { openStorage, type Storage } from '@lethe/archive'
import { dispatchEach, dispatchExports, exportToken, openExport } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t from 'tap'
import { eraseAccounts } from '../src/handlers/erase-accounts.ts'
import { exportAccounts } from '../src/handlers/export-accounts.ts'
import { sendMail } from '../src/handlers/send-mail.ts'
import { sweepTasks } from '../src/sweep.ts'
import { createWorkerContext, noQueue, type WorkerContext } from './setup.ts'

t.test('an export is stored and announced once, although the job runs twice', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const lease = await dispatch(ctx)
  await Promise.all([1, 2].map(() => exportAccounts({ lease }, ctx.deps)))

  const row = await exportRow(ctx)
  t.match(row, { status: 'ready', lease: null, attempts: 1 })
  t.strictSame(await ctx.stored(), [row.file_name])
  const { size, mode } = await stat(path.join(ctx.exportDir, row.file_name ?? ''))
  t.ok(size > (row.bytes ?? 0), 'the stored archive is sealed')
  t.equal(mode & 0o777, 0o600)
  const mails = await ctx.db.selectFrom('outbox').select('mail').execute()
  t.equal(mails.filter(({ mail }) => mail === 'export-ready').length, 1)
  const token = exportToken(ctx.keys, row.token_nonce ?? Buffer.alloc(0))
  t.match(await openExport(ctx.db, ctx.keys, token), { fileName: row.file_name })
})

t.test(
  'a batch is exported together; failed and large exports are retried individually',
  async (t) => {
    const ctx = await createWorkerContext(t)
    const [ada, eve, max] = [await ctx.person(), await ctx.person(), await ctx.person()]
    for (const person of [ada, eve, max]) await ctx.deletion(person)
    // A file in place of the folder makes the export fail.
    await mkdir(ctx.deps.uploadDir, { recursive: true })
    await writeFile(path.join(ctx.deps.uploadDir, String(eve.user.id)), '')
    await sql`
    insert into public.saved_passwords (id, user_id, site, username, secret)
    select gen_random_uuid(), ${max.user.id}, 'https://a.example', 'me', decode(repeat('00', 40), 'hex') from generate_series(1, 1001)`.execute(
      ctx.db,
    )
    const [lease = '', ...others] = await dispatchExports(ctx.db)
    t.strictSame(others, [], 'one job for all exports')
    await exportAccounts({ lease }, ctx.deps)
    const exportOf = ({ user }: Person) =>
      ctx.db.selectFrom('exports').selectAll().where('user_id', '=', user.id).executeTakeFirst()
    t.match(await exportOf(ada), { status: 'ready', lease: null })
    t.match(await exportOf(eve), { status: 'pending', lease: null, attempts: 1 })
    t.match(await exportOf(max), { status: 'pending', lease: null, attempts: 1 })
    t.equal((await ctx.stored()).length, 1)
    t.equal(ctx.lines.filter((line) => /export.postponed/.test(line)).length, 1)

    await rm(path.join(ctx.deps.uploadDir, String(eve.user.id)))
    await sql`update public.exports set next_attempt_at = now() where user_id = ${eve.user.id}`.execute(
      ctx.db,
    )
    const individual = await dispatchExports(ctx.db)
    t.equal(individual.length, 2, 'one job for each')
    for (const lease of individual) await exportAccounts({ lease }, ctx.deps)
    for (const person of [eve, max]) t.match(await exportOf(person), { status: 'ready' })
  },
)

t.test('a slow archive does not delay the others of its batch', async (t) => {
  const ctx = await createWorkerContext(t)
  const people = [await ctx.person(), await ctx.person(), await ctx.person()]
  for (const person of people) await ctx.deletion(person)
  const [slow] = people
  const { id: slowId } = await ctx.db
    .selectFrom('exports')
    .select('id')
    .where('user_id', '=', slow?.user.id ?? 0)
    .executeTakeFirstOrThrow()
  const { promise: disk, resolve: goOn } = Promise.withResolvers<void>()
  const { storage } = ctx.deps
  const put: Storage['put'] = async (name, ...more) => {
    if (name.startsWith(slowId)) await disk
    return storage.put(name, ...more)
  }
  const [lease = ''] = await dispatchExports(ctx.db)
  const running = exportAccounts({ lease }, { ...ctx.deps, storage: { ...storage, put } })
  const ready = () =>
    ctx.db.selectFrom('exports').select('id').where('status', '=', 'ready').execute()
  await until('the others are ready', async () => (await ready()).length === 2)
  goOn()
  await running
  t.equal((await ready()).length, 3)
})

t.test('a cancel while a batch is exported withdraws only that export', async (t) => {
  const ctx = await createWorkerContext(t)
  const [ada, eve] = [await ctx.person(), await ctx.person()]
  for (const person of [ada, eve]) await ctx.deletion(person)
  const [lease = ''] = await dispatchExports(ctx.db)
  await exportWhileCancelling(ctx, lease, ada)
  const rows = await ctx.db.selectFrom('exports').selectAll().orderBy('status').execute()
  t.match(rows, [
    { user_id: eve.user.id, status: 'ready' },
    { user_id: ada.user.id, status: 'withdrawn', file_name: null },
  ])
  t.strictSame(await ctx.stored(), [rows[0]?.file_name])
})

t.test('a failed export is retried', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  // A file in place of the folder makes the export fail.
  await writeFile(ctx.exportDir, '')
  await exportAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.match(await exportRow(ctx), { status: 'pending', lease: null, attempts: 1 })
  t.match(ctx.lines.join(), 'export.postponed')

  await sql`update public.exports set next_attempt_at = now()`.execute(ctx.db)
  const storage = openStorage(`${ctx.exportDir}-2`)
  await exportAccounts({ lease: await dispatch(ctx) }, { ...ctx.deps, storage })
  t.match(await exportRow(ctx), { status: 'ready' })
})

t.test('after a cancel no archive is stored, and a stored one is removed', async (t) => {
  const ctx = await createWorkerContext(t)
  const before = await ctx.person()
  await ctx.deletion(before)
  const lease = await dispatch(ctx)
  await cancelDeletionByPassword(ctx.db, ctx.hasher, { email: before.user.email, password })
  await exportAccounts({ lease }, ctx.deps)
  t.strictSame(await ctx.stored(), [], 'nothing was written')

  const after = await ctx.person()
  const deletion = await ctx.deletion(after)
  await exportAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  t.equal((await ctx.stored()).length, 1)
  await cancelDeletionByPassword(ctx.db, ctx.hasher, { email: after.user.email, password })
  await sweepTasks(ctx.deps, noQueue)['remove-archives'].run()
  t.strictSame(await ctx.stored(), [])
  const row = await ctx.db
    .selectFrom('exports')
    .selectAll()
    .where('deletion_id', '=', deletion.id)
    .executeTakeFirstOrThrow()
  t.match(row, { status: 'withdrawn', file_name: null })
})

t.test('a cancel while the archive is being written wins', async (t) => {
  const ctx = await createWorkerContext(t)
  const person = await ctx.person()
  await ctx.deletion(person)
  const lease = await dispatch(ctx)
  await exportWhileCancelling(ctx, lease, person)
  t.strictSame(await ctx.stored(), [])
  t.match(await exportRow(ctx), { status: 'withdrawn', file_name: null })
  const mails = await ctx.db.selectFrom('outbox').select('mail').execute()
  t.notOk(mails.some(({ mail }) => mail === 'export-ready'))
})

t.test('an expired archive is removed', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await exportAccounts({ lease: await dispatch(ctx) }, ctx.deps)
  await sql`update public.exports set expires_at = now()`.execute(ctx.db)
  const tasks = sweepTasks(ctx.deps, noQueue)
  await tasks['expire-exports'].run()
  await tasks['remove-archives'].run()
  t.match(await exportRow(ctx), { status: 'expired', file_name: null })
  t.strictSame(await ctx.stored(), [])
})

t.test('a worker that stops releases the export and stores nothing', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const lease = await dispatch(ctx)
  ctx.stop.abort(new Error('stopping'))
  await exportAccounts({ lease }, ctx.deps)
  t.match(await exportRow(ctx), { status: 'pending', lease: null })
  t.ok(await dispatch(ctx), 'it can be dispatched at once')
  t.strictSame(await ctx.stored(), [])
})

t.test(
  'a separately requested archive is made, announced, and withdrawn with the erasure',
  async (t) => {
    const ctx = await createWorkerContext(t, { gracePeriod: 'PT0S' })
    const ada = await ctx.person('ada@example.com')
    const { id } = await requestExport(ctx.db, ctx.keys, ctx.hasher, ada.session, undefined, rules)
    await exportAccounts({ lease: await dispatch(ctx) }, ctx.deps)
    const own = () =>
      ctx.db.selectFrom('exports').selectAll().where('id', '=', id).executeTakeFirst()
    t.match(await own(), { status: 'ready', deletion_id: null })
    await sendMail({ lease: await ctx.dispatchMail('export-ready') }, ctx.deps)
    const [mail] = ctx.sink.received
    t.strictSame(mail?.to, ['ada@example.com'])
    t.match(mail?.email.text, /^http:\/\/lethe\.test:3000\/export#token=[\w-]{43}$/m)
    t.match(mail?.email.text?.replaceAll(/\s+/g, ' '), 'Was it not you who asked for this archive?')

    await requestExport(ctx.db, ctx.keys, ctx.hasher, ada.session, undefined, rules)
    await ctx.deletion(ada)
    await sql`update public.exports set next_attempt_at = now()`.execute(ctx.db)
    for (let lease = await dispatch(ctx); lease; lease = await dispatch(ctx))
      await exportAccounts({ lease }, ctx.deps)
    t.equal((await ctx.stored()).length, 3)
    await eraseAccounts({ lease: (await ctx.dispatchDeletions()) ?? '' }, ctx.deps)
    const rows = await ctx.db
      .selectFrom('exports')
      .select(['status', 'user_id', 'deletion_id'])
      .execute()
    t.strictSame(
      new Set(
        rows.map(({ status, deletion_id }) => `${deletion_id ? 'promised' : 'own'} ${status}`),
      ),
      new Set(['own withdrawn', 'promised ready']),
    )
    t.ok(rows.every(({ user_id }) => user_id === null))
    await sweepTasks(ctx.deps, noQueue)['remove-archives'].run()
    t.equal((await ctx.stored()).length, 1)
  },
)

t.test('a separately requested export is given up after three days', async (t) => {
  const ctx = await createWorkerContext(t)
  const ada = await ctx.person()
  const asked = await requestExport(ctx.db, ctx.keys, ctx.hasher, ada.session, undefined, rules)
  const tasks = sweepTasks(ctx.deps, noQueue)
  await tasks['give-up-exports'].run()
  t.match(await exportRow(ctx), { status: 'pending' })
  await sql`update public.exports set requested_at = now() - interval '73 hours'`.execute(ctx.db)
  await tasks['give-up-exports'].run()
  t.match(await exportRow(ctx), { status: 'failed', token_nonce: null })
  const other = await requestExport(ctx.db, ctx.keys, ctx.hasher, ada.session, undefined, rules)
  t.not(other.id, asked.id)
})

const rules = { reauthenticationWindow: 'PT15M', perDay: 5 }

async function dispatch({ db }: WorkerContext): Promise<string> {
  const [lease = ''] = await dispatchEach(db, 'exports', sql`d.status = 'pending'`, 1)
  return lease
}

function exportRow({ db }: WorkerContext) {
  return db.selectFrom('exports').selectAll().executeTakeFirstOrThrow()
}

/** Cancels during the export: a lock on their rows delays the export until the cancel has committed. */
async function exportWhileCancelling(
  ctx: WorkerContext,
  lease: string,
  { user: { email } }: Person,
) {
  let running = Promise.resolve()
  await ctx.db.transaction().execute(async (tx) => {
    await sql`lock table public.saved_passwords in access exclusive mode`.execute(tx)
    running = exportAccounts({ lease }, ctx.deps)
    await until('the export has started', async () => (await exportRow(ctx)).attempts === 1)
    await cancelDeletionByPassword(ctx.db, ctx.hasher, { email, password })
  })
  await running
}
