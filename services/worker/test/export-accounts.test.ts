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
import { noQueue, type Setup, setup } from './setup.ts'

t.test('an export is made once, stored, and told of', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  const lease = await lend(s)
  await Promise.all([1, 2].map(() => exportAccounts({ lease }, s.deps)))

  const row = await exportRow(s)
  t.match(row, { status: 'ready', lease: null, attempts: 1 })
  t.strictSame(await s.stored(), [row.file_name])
  const { size, mode } = await stat(path.join(s.exportDir, row.file_name ?? ''))
  t.ok(size > (row.bytes ?? 0), 'it lies there sealed')
  t.equal(mode & 0o777, 0o600)
  const mails = await s.db.selectFrom('outbox').select('mail').execute()
  t.equal(mails.filter(({ mail }) => mail === 'export-ready').length, 1)
  const token = exportToken(s.keys, row.token_nonce ?? Buffer.alloc(0))
  t.match(await openExport(s.db, s.keys, token), { fileName: row.file_name })
})

t.test('many are exported together, and what is not made with others is made alone', async (t) => {
  const s = await setup(t)
  const [ada, eve, max] = [await s.person(), await s.person(), await s.person()]
  for (const person of [ada, eve, max]) await s.deletion(person)
  // A file where the folder should be.
  await mkdir(s.deps.uploadDir, { recursive: true })
  await writeFile(path.join(s.deps.uploadDir, String(eve.user.id)), '')
  await sql`
    insert into public.saved_passwords (id, user_id, site, username, secret)
    select gen_random_uuid(), ${max.user.id}, 'https://a.example', 'me', decode(repeat('00', 40), 'hex') from generate_series(1, 1001)`.execute(
    s.db,
  )
  const [lease = '', ...others] = await dispatchExports(s.db)
  t.strictSame(others, [], 'one job for all')
  await exportAccounts({ lease }, s.deps)
  const exportOf = ({ user }: Person) =>
    s.db.selectFrom('exports').selectAll().where('user_id', '=', user.id).executeTakeFirst()
  t.match(await exportOf(ada), { status: 'ready', lease: null })
  t.match(await exportOf(eve), { status: 'pending', lease: null, attempts: 1 })
  t.match(await exportOf(max), { status: 'pending', lease: null, attempts: 1 })
  t.equal((await s.stored()).length, 1)
  t.equal(s.lines.filter((line) => /export.postponed/.test(line)).length, 1)

  await rm(path.join(s.deps.uploadDir, String(eve.user.id)))
  await sql`update public.exports set next_attempt_at = now() where user_id = ${eve.user.id}`.execute(
    s.db,
  )
  const alone = await dispatchExports(s.db)
  t.equal(alone.length, 2, 'a job for each')
  for (const lease of alone) await exportAccounts({ lease }, s.deps)
  for (const person of [eve, max]) t.match(await exportOf(person), { status: 'ready' })
})

t.test('of many, one whose archive takes long keeps no other waiting', async (t) => {
  const s = await setup(t)
  const people = [await s.person(), await s.person(), await s.person()]
  for (const person of people) await s.deletion(person)
  const [slow] = people
  const { id: slowId } = await s.db
    .selectFrom('exports')
    .select('id')
    .where('user_id', '=', slow?.user.id ?? 0)
    .executeTakeFirstOrThrow()
  const { promise: disk, resolve: goOn } = Promise.withResolvers<void>()
  const { storage } = s.deps
  const put: Storage['put'] = async (name, ...more) => {
    if (name.startsWith(slowId)) await disk
    return storage.put(name, ...more)
  }
  const [lease = ''] = await dispatchExports(s.db)
  const running = exportAccounts({ lease }, { ...s.deps, storage: { ...storage, put } })
  const ready = () =>
    s.db.selectFrom('exports').select('id').where('status', '=', 'ready').execute()
  await until('the others are offered', async () => (await ready()).length === 2)
  goOn()
  await running
  t.equal((await ready()).length, 3)
})

t.test('of many, who cancels while they are made gets nothing, and the others do', async (t) => {
  const s = await setup(t)
  const [ada, eve] = [await s.person(), await s.person()]
  for (const person of [ada, eve]) await s.deletion(person)
  const [lease = ''] = await dispatchExports(s.db)
  await exportWhileCancelling(s, lease, ada)
  const rows = await s.db.selectFrom('exports').selectAll().orderBy('status').execute()
  t.match(rows, [
    { user_id: eve.user.id, status: 'ready' },
    { user_id: ada.user.id, status: 'withdrawn', file_name: null },
  ])
  t.strictSame(await s.stored(), [rows[0]?.file_name])
})

t.test('an export that fails is tried again, and leaves no half of it', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  // A file where the folder should be.
  await writeFile(s.exportDir, '')
  await exportAccounts({ lease: await lend(s) }, s.deps)
  t.match(await exportRow(s), { status: 'pending', lease: null, attempts: 1 })
  t.match(s.lines.join(), 'export.postponed')

  await sql`update public.exports set next_attempt_at = now()`.execute(s.db)
  const storage = openStorage(`${s.exportDir}-2`)
  await exportAccounts({ lease: await lend(s) }, { ...s.deps, storage })
  t.match(await exportRow(s), { status: 'ready' })
})

t.test('after a cancel nothing is made, and what was made is removed', async (t) => {
  const s = await setup(t)
  const before = await s.person()
  await s.deletion(before)
  const lease = await lend(s)
  await cancelDeletionByPassword(s.db, s.hasher, { email: before.user.email, password })
  await exportAccounts({ lease }, s.deps)
  t.strictSame(await s.stored(), [], 'nothing was written')

  const after = await s.person()
  const deletion = await s.deletion(after)
  await exportAccounts({ lease: await lend(s) }, s.deps)
  t.equal((await s.stored()).length, 1)
  await cancelDeletionByPassword(s.db, s.hasher, { email: after.user.email, password })
  await sweepTasks(s.deps, noQueue)['remove-archives'].run()
  t.strictSame(await s.stored(), [])
  const row = await s.db
    .selectFrom('exports')
    .selectAll()
    .where('deletion_id', '=', deletion.id)
    .executeTakeFirstOrThrow()
  t.match(row, { status: 'withdrawn', file_name: null })
})

t.test('a cancel while the archive is being written wins', async (t) => {
  const s = await setup(t)
  const person = await s.person()
  await s.deletion(person)
  const lease = await lend(s)
  await exportWhileCancelling(s, lease, person)
  t.strictSame(await s.stored(), [])
  t.match(await exportRow(s), { status: 'withdrawn', file_name: null })
  const mails = await s.db.selectFrom('outbox').select('mail').execute()
  t.notOk(mails.some(({ mail }) => mail === 'export-ready'))
})

t.test('an expired archive is closed and removed', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  await exportAccounts({ lease: await lend(s) }, s.deps)
  await sql`update public.exports set expires_at = now()`.execute(s.db)
  const tasks = sweepTasks(s.deps, noQueue)
  await tasks['expire-exports'].run()
  await tasks['remove-archives'].run()
  t.match(await exportRow(s), { status: 'expired', file_name: null })
  t.strictSame(await s.stored(), [])
})

t.test('a worker that stops gives the export back and leaves nothing', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  const lease = await lend(s)
  s.stop.abort(new Error('stopping'))
  await exportAccounts({ lease }, s.deps)
  t.match(await exportRow(s), { status: 'pending', lease: null })
  t.ok(await lend(s), 'it is free at once')
  t.strictSame(await s.stored(), [])
})

t.test(
  'an archive that was asked for on its own is made, told of, and ends with the account',
  async (t) => {
    const s = await setup(t, { gracePeriod: 'PT0S' })
    const ada = await s.person('ada@example.com')
    const { id } = await requestExport(s.db, s.keys, s.hasher, ada.session, undefined, rules)
    await exportAccounts({ lease: await lend(s) }, s.deps)
    const own = () => s.db.selectFrom('exports').selectAll().where('id', '=', id).executeTakeFirst()
    t.match(await own(), { status: 'ready', deletion_id: null })
    await sendMail({ lease: await s.lendMail('export-ready') }, s.deps)
    const [mail] = s.sink.received
    t.strictSame(mail?.to, ['ada@example.com'])
    t.match(mail?.email.text, /^http:\/\/lethe\.test:3000\/export#token=[\w-]{43}$/m)
    t.match(mail?.email.text?.replaceAll(/\s+/g, ' '), 'Was it not you who asked for this archive?')

    await requestExport(s.db, s.keys, s.hasher, ada.session, undefined, rules)
    await s.deletion(ada)
    await sql`update public.exports set next_attempt_at = now()`.execute(s.db)
    for (let lease = await lend(s); lease; lease = await lend(s))
      await exportAccounts({ lease }, s.deps)
    t.equal((await s.stored()).length, 3)
    await eraseAccounts({ lease: (await s.dispatchDeletions()) ?? '' }, s.deps)
    const rows = await s.db
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
    await sweepTasks(s.deps, noQueue)['remove-archives'].run()
    t.equal((await s.stored()).length, 1)
  },
)

t.test(
  'one that was asked for on its own and cannot be made is given up after three days',
  async (t) => {
    const s = await setup(t)
    const ada = await s.person()
    const asked = await requestExport(s.db, s.keys, s.hasher, ada.session, undefined, rules)
    const tasks = sweepTasks(s.deps, noQueue)
    await tasks['give-up-exports'].run()
    t.match(await exportRow(s), { status: 'pending' })
    await sql`update public.exports set requested_at = now() - interval '73 hours'`.execute(s.db)
    await tasks['give-up-exports'].run()
    t.match(await exportRow(s), { status: 'failed', token_nonce: null })
    const other = await requestExport(s.db, s.keys, s.hasher, ada.session, undefined, rules)
    t.not(other.id, asked.id)
  },
)

const rules = { reauthenticationWindow: 'PT15M', perDay: 5 }

async function lend({ db }: Setup): Promise<string> {
  const [lease = ''] = await dispatchEach(db, 'exports', sql`d.status = 'pending'`, 1)
  return lease
}

function exportRow({ db }: Setup) {
  return db.selectFrom('exports').selectAll().executeTakeFirstOrThrow()
}

/** They cancel in the midst of it: nothing can be read of anybody until they have. */
async function exportWhileCancelling(s: Setup, lease: string, { user: { email } }: Person) {
  let running = Promise.resolve()
  await s.db.transaction().execute(async (tx) => {
    await sql`lock table public.saved_passwords in access exclusive mode`.execute(tx)
    running = exportAccounts({ lease }, s.deps)
    await until('it has begun', async () => (await exportRow(s)).attempts === 1)
    await cancelDeletionByPassword(s.db, s.hasher, { email, password })
  })
  await running
}
