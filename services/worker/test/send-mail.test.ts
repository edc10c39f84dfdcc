import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { withClockAhead } from '@lethe/db/testing'
import { deriveKeys, openOutbox } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { sendMail } from '../src/handlers/send-mail.ts'
import { openMailer } from '../src/mailer.ts'
import { createWorkerContext, type WorkerContext } from './setup.ts'

t.test('a mail is sent once and its row is marked as sent', async (t) => {
  const ctx = await createWorkerContext(t)
  const ada = await ctx.person('ada@example.com')
  await ctx.deletion(ada)
  const lease = await ctx.dispatchMail('deletion-scheduled')

  await Promise.all([1, 2, 3].map(() => sendMail({ lease }, ctx.deps)))

  t.equal(ctx.sink.received.length, 1, 'three copies of the job send one mail')
  const [mail] = ctx.sink.received
  t.strictSame(mail?.to, ['ada@example.com'])
  t.equal(mail?.from, 'no-reply@lethe.test')
  const { id, ...row } = await outboxRow(ctx, 'deletion-scheduled')
  t.match(row, { status: 'sent', address: null, lease: null, finished_at: Date, attempts: 1 })
  t.equal(mail?.email.messageId, `<${id}@lethe.test>`)
  t.equal(mail?.ehlo, 'lethe.test', 'the host of PUBLIC_URL')
  t.match(mail?.source, /^Auto-Submitted: auto-generated\r$/m)
  t.match(mail?.source, /^X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply\r$/m)
  t.match(mail?.email.text, /^http:\/\/lethe\.test:3000\/deletion\/cancel#token=[\w-]{43}$/m)
  t.ok(mail?.email.html)
})

t.test('a mail with a locked row does not delay other mails', async (t) => {
  const ctx = await createWorkerContext(t)
  for (const person of [await ctx.person(), await ctx.person()]) await ctx.deletion(person)
  const locked = await ctx.dispatchMail('deletion-scheduled')
  const free = await ctx.dispatchMail('deletion-scheduled')
  const sent = () =>
    ctx.db.selectFrom('outbox').select('id').where('status', '=', 'sent').orderBy('id').execute()
  const gate = ctx.sink.hold()
  t.teardown(gate.release)

  let sending: Promise<void>[] = []
  let first: { id: string } | undefined
  await ctx.db.transaction().execute(async (tx) => {
    await sql`select from public.outbox where lease = ${locked} for update`.execute(tx)
    sending = [locked, free].map((lease) => sendMail({ lease }, ctx.deps))
    await until('the other mail is acquired and offered', () => gate.held() === 1)
    first = await ctx.db
      .selectFrom('outbox')
      .select('id')
      .where('attempts', '=', 1)
      .executeTakeFirst()
  })
  await until('both mails are offered', () => gate.held() === 2)
  await ctx.db.transaction().execute(async (tx) => {
    // Lock the mail that was offered first and so would be finished first.
    await sql`select from public.outbox where id = ${first?.id} for update`.execute(tx)
    gate.release()
    await until('the other mail is finished', async () => (await sent()).length === 1)
  })
  await Promise.all(sending)
  t.equal((await sent()).length, 2)
  t.equal(ctx.sink.received.length, 2)
})

t.test(
  'a mail refused with 4xx is retried with growing delays and the same Message-ID',
  async (t) => {
    const ctx = await createWorkerContext(t)
    await ctx.deletion(await ctx.person())
    const gaps: number[] = []
    for (const at of ['RCPT', 'DATA'] as const) {
      ctx.sink.answer = { at, code: 451 }
      await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
      const row = await outboxRow(ctx, 'deletion-scheduled')
      t.match(row, { status: 'pending', lease: null })
      gaps.push(row.seconds)
      await makeDue(ctx)
    }
    t.ok((gaps[0] ?? 0) < (gaps[1] ?? 0), `delays of ${gaps.join(' and ')} seconds`)

    ctx.sink.answer.code = 0
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    const { id } = await outboxRow(ctx, 'deletion-scheduled')
    t.strictSame(
      ctx.sink.received.map(({ email }) => email.messageId),
      [`<${id}@lethe.test>`],
    )
  },
)

t.test('the date of a mail comes from the database’s clock', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const lease = await ctx.dispatchMail('deletion-scheduled')
  const db = await withClockAhead(t, { db: ctx.db, url: ctx.databaseUrl }, 40)
  await sendMail({ lease }, { ...ctx.deps, outbox: openOutbox(db) })
  const [mail] = ctx.sink.received
  const ahead = Date.parse(mail?.email.date ?? '') - Date.now()
  t.ok(Math.abs(ahead - 40 * 86_400_000) < 60_000, `dated ${mail?.email.date}`)
})

t.test('a mail is retried for five days', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  ctx.sink.answer.code = 421
  await sql`update public.outbox set attempts = 30, created_at = now() - interval '4 days 23 hours'`.execute(
    ctx.db,
  )
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'pending' })

  await sql`update public.outbox set created_at = now() - interval '5 days 1 second', next_attempt_at = now()`.execute(
    ctx.db,
  )
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'undeliverable', address: null })
})

t.test('an old mail gets five attempts before it is given up', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  ctx.sink.answer.code = 421
  await sql`update public.outbox set created_at = now() - interval '6 days'`.execute(ctx.db)
  for (let attempt = 1; attempt < 5; attempt++) {
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'pending', attempts: attempt })
    await makeDue(ctx)
  }
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'undeliverable', attempts: 5 })
})

t.test('a mail refused with 5xx is undeliverable, audited, and never retried', async (t) => {
  for (const at of ['RCPT', 'DATA'] as const) {
    const ctx = await createWorkerContext(t)
    const { id } = await ctx.deletion(await ctx.person())
    ctx.sink.answer = { at, code: 550 }
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)

    t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'undeliverable', lease: null })
    const events = await ctx.db.selectFrom('audit_events').selectAll().execute()
    t.match(
      events.filter(({ event }) => event === 'mail.undeliverable'),
      [{ deletion_id: id }],
    )
    const { offers } = ctx.sink
    await makeDue(ctx)
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    t.equal(ctx.sink.offers, offers)
  }
})

t.test('a refused sender does not fail a mail: it is retried, and the log says why', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person('ada@example.com'))
  const gaps: number[] = []
  for (const code of [530, 550, 553]) {
    ctx.sink.answer = { at: 'MAIL', code }
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    const row = await outboxRow(ctx, 'deletion-scheduled')
    t.match(row, { status: 'pending', lease: null })
    gaps.push(row.seconds)
    await makeDue(ctx)
  }
  t.strictSame(
    gaps,
    gaps.toSorted((a, b) => a - b),
    'the delays grow',
  )
  const logged = ctx.lines.map((line) => JSON.parse(line))
  t.match(logged, Array(3).fill({ level: 50, msg: 'mail.sender-refused', command: 'MAIL FROM' }))
  t.notMatch(ctx.lines.join(), /ada@|example\.com|no-reply/)

  ctx.sink.answer = { at: 'RCPT', code: 530 }
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(
    await outboxRow(ctx, 'deletion-scheduled'),
    { status: 'pending' },
    'the server requires a log-in at RCPT',
  )
  await makeDue(ctx)

  ctx.sink.answer.code = 0
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'sent' })
})

t.test('a mail is retried if the server refuses the DATA command', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const server = createServer((socket) => {
    socket.write('220 here\r\n')
    const lines = createInterface({ input: socket })
    lines.on('line', (line) => socket.write(line === 'DATA' ? '554 no\r\n' : '250 yes\r\n'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const sender = { name: '', address: 'no-reply@lethe.test' }
  const mailer = openMailer(`smtp://127.0.0.1:${port}`, sender, 'http://lethe.test')
  t.teardown(() => {
    mailer.close()
    server.close()
  })
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, { ...ctx.deps, mailer })
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'pending', lease: null })
  t.match(ctx.lines.join(), /"responseCode":554,"command":"DATA"/)
})

t.test('a mail is retried if the server is unavailable or refuses our log-in', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  for (const url of ['smtp://127.0.0.1:1', ctx.sink.url.replace('//', '//user:pass@')]) {
    const mailer = openMailer(
      url,
      { name: '', address: 'no-reply@lethe.test' },
      'http://lethe.test',
    )
    t.teardown(() => mailer.close())
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, { ...ctx.deps, mailer })
    t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'pending', lease: null }, url)
    await makeDue(ctx)
  }
})

t.test(
  'a server that is silent before DATA times out, one that is silent after it does not',
  async (t) => {
    const ctx = await createWorkerContext(t)
    await ctx.deletion(await ctx.person())
    await ctx.deletion(await ctx.person())
    const [taking, silent] = [impatient(ctx.sink.url), impatient(await startSilentServer(t))]
    const gate = ctx.sink.hold()
    t.teardown(gate.release)
    const taken = sendMail(
      { lease: await ctx.dispatchMail('deletion-scheduled') },
      { ...ctx.deps, ...taking },
    )
    await until('the server holds the mail', () => gate.held() === 1)

    await sendMail(
      { lease: await ctx.dispatchMail('deletion-scheduled') },
      { ...ctx.deps, ...silent },
    )
    t.match(
      ctx.lines.map((line) => JSON.parse(line)),
      [{ msg: 'mail.postponed', error: 'MailServerTimeoutError', code: 'ETIMEDOUT' }],
    )
    gate.release()
    await taken
    t.match(JSON.parse(ctx.lines.at(-1) ?? ''), { msg: 'mail.sent' })
    t.equal(ctx.sink.offers, 1)

    function impatient(url: string) {
      const sender = { name: '', address: 'no-reply@lethe.test' }
      const mailer = openMailer(url, sender, 'http://lethe.test', 300)
      t.teardown(() => mailer.close())
      return { mailer }
    }
  },
)

t.test('a sent mail is recorded although the database fails for a moment', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await failUpdates(ctx, 2)
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'sent', lease: null, attempts: 1 })
  t.equal(ctx.sink.received.length, 1)
})

t.test('a sent mail is never recorded as undeliverable', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  await failUpdates(ctx, 100)
  await sql`update public.outbox set attempts = 50, created_at = now() - interval '6 days'`.execute(
    ctx.db,
  )
  await t.rejects(sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps), {
    code: 'P0001',
  })
  const row = await outboxRow(ctx, 'deletion-scheduled')
  t.match(row, { status: 'pending', lease: String }, 'the row waits for its lease to expire')
  t.equal(ctx.sink.received.length, 1)
})

t.test('no log line contains the address or text of the mail', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person('ada@example.com'))
  for (const code of [451, 550]) {
    ctx.sink.answer = { at: 'DATA', code }
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    await makeDue(ctx)
  }
  t.match(
    ctx.lines.map((line) => JSON.parse(line)),
    [
      { msg: 'mail.postponed', responseCode: 451, mail: 'deletion-scheduled' },
      { msg: 'mail.undeliverable', responseCode: 550 },
    ],
  )
  t.notMatch(ctx.lines.join('\n'), /ada@|example\.com|token|refused/)
})

t.test('a mail with outdated news is not sent', async (t) => {
  const ctx = await createWorkerContext(t)
  const ada = await ctx.person()
  const { id } = await ctx.deletion(ada)
  await ctx.db.insertInto('outbox').values({ mail: 'deletion-reminder', deletion_id: id }).execute()
  await ctx.db.insertInto('outbox').values({ mail: 'export-ready', deletion_id: id }).execute()
  await sql`update public.deletions set status = 'erasing', requested_at = now() - interval '2 days',
    erase_after = now() - interval '1 day', next_reminder_at = null, claimed_at = now()`.execute(
    ctx.db,
  )
  for (const mail of ['deletion-scheduled', 'deletion-reminder', 'export-ready']) {
    await sendMail({ lease: await ctx.dispatchMail(mail) }, ctx.deps)
    t.match(await outboxRow(ctx, mail), { status: 'superseded' }, mail)
  }
  t.equal(ctx.sink.offers, 0)
})

t.test('an address gets at most ten mails of one kind a day', async (t) => {
  const ctx = await createWorkerContext(t)
  const { id } = await ctx.deletion(await ctx.person())
  const send = async () => {
    await ctx.db.deleteFrom('outbox').execute()
    await ctx.db
      .insertInto('outbox')
      .values({ mail: 'deletion-reminder', deletion_id: id })
      .execute()
    await sendMail({ lease: await ctx.dispatchMail('deletion-reminder') }, ctx.deps)
    return (await outboxRow(ctx, 'deletion-reminder')).status
  }
  for (let mail = 1; mail <= 10; mail++) t.equal(await send(), 'sent', `mail ${mail}`)
  t.equal(await send(), 'suppressed')
  t.equal(ctx.sink.received.length, 10)

  ctx.deps.rateLimits = false
  t.equal(await send(), 'sent', 'no limit applies when limits are off')
})

t.test('retries do not count against the mail limit', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  ctx.sink.answer.code = 451
  for (let attempt = 1; attempt <= 12; attempt++) {
    await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
    await makeDue(ctx)
  }
  ctx.sink.answer.code = 0
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'sent', attempts: 13 })
})

t.test('a link that would not open is not mailed', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const keys = deriveKeys(randomBytes(32))
  await sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, { ...ctx.deps, keys })
  t.equal(ctx.sink.offers, 0)
  t.match(await outboxRow(ctx, 'deletion-scheduled'), { status: 'pending' })
  t.match(ctx.lines.join(), /"code":"ETOKEN"/)
})

t.test('an address cannot add a recipient or a header', async (t) => {
  const ctx = await createWorkerContext(t)
  const { id } = await ctx.deletion(await ctx.person())
  const addresses = [
    'ada@example.com,eve@example.com',
    'ada@example.com>BODY=8BIT',
    'ada@example.com\r\nBcc: eve@example.com',
    '"ada@example.com" <eve@example.com>',
    'ada',
  ]
  for (const address of addresses) {
    await ctx.db.deleteFrom('outbox').execute()
    await ctx.db
      .insertInto('outbox')
      .values({ mail: 'deletion-cancelled', deletion_id: id, address })
      .execute()
    await sendMail({ lease: await ctx.dispatchMail('deletion-cancelled') }, ctx.deps)
    t.match(await outboxRow(ctx, 'deletion-cancelled'), { status: 'undeliverable' }, address)
  }
  t.equal(ctx.sink.offers, 0)
})

t.test('a worker that stops while the server is silent releases the mail at once', async (t) => {
  const ctx = await createWorkerContext(t)
  await ctx.deletion(await ctx.person())
  const gate = ctx.sink.hold()
  t.teardown(gate.release)
  const sending = sendMail({ lease: await ctx.dispatchMail('deletion-scheduled') }, ctx.deps)
  await until('the server holds the mail', () => gate.held() === 1)
  ctx.stop.abort(new Error('stopping'))
  await sending
  const row = await outboxRow(ctx, 'deletion-scheduled')
  t.match(row, { status: 'pending', lease: null })
  t.ok(row.seconds <= 0, 'it can be dispatched at once')
})

/** A server that answers every command except RCPT TO. */
async function startSilentServer(t: Test): Promise<string> {
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    socket.write('220 here\r\n')
    createInterface({ input: socket }).on('line', (line) => {
      if (!line.startsWith('RCPT')) socket.write('250 yes\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function outboxRow({ db }: WorkerContext, mail: string) {
  return db
    .selectFrom('outbox')
    .selectAll()
    .select(sql<number>`extract(epoch from next_attempt_at - now())::float8`.as('seconds'))
    .where('mail', '=', mail as 'export-ready')
    .executeTakeFirstOrThrow()
}

/** Makes the first `times` updates that record a sent mail fail. */
async function failUpdates({ db }: WorkerContext, times: number) {
  // A sequence keeps its value when the statement fails.
  await sql`create sequence public.notes`.execute(db)
  await sql`create function public.fail_note() returns trigger language plpgsql as $$ begin
    if nextval('public.notes') <= ${sql.lit(times)} then raise exception 'not now'; end if;
    return new;
  end $$`.execute(db)
  await sql`create trigger fail_note before update on public.outbox for each row
    when (new.status = 'sent') execute function public.fail_note()`.execute(db)
}

async function makeDue({ db }: WorkerContext) {
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(db)
}
