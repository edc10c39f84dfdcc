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
import { type Setup, setup } from './setup.ts'

t.test('a mail leaves once, and its row says so', async (t) => {
  const s = await setup(t)
  const ada = await s.person('ada@example.com')
  await s.deletion(ada)
  const lease = await s.lendMail('deletion-scheduled')

  await Promise.all([1, 2, 3].map(() => sendMail({ lease }, s.deps)))

  t.equal(s.sink.received.length, 1, 'three copies of the job send one mail')
  const [mail] = s.sink.received
  t.strictSame(mail?.to, ['ada@example.com'])
  t.equal(mail?.from, 'no-reply@lethe.test')
  const { id, ...row } = await outboxRow(s, 'deletion-scheduled')
  t.match(row, { status: 'sent', address: null, lease: null, finished_at: Date, attempts: 1 })
  t.equal(mail?.email.messageId, `<${id}@lethe.test>`)
  t.equal(mail?.ehlo, 'lethe.test', 'the host of PUBLIC_URL')
  t.match(mail?.source, /^Auto-Submitted: auto-generated\r$/m)
  t.match(mail?.source, /^X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply\r$/m)
  t.match(mail?.email.text, /^http:\/\/lethe\.test:3000\/deletion\/cancel#token=[\w-]{43}$/m)
  t.ok(mail?.email.html)
})

t.test('a mail whose row somebody has locked keeps no other waiting', async (t) => {
  const s = await setup(t)
  for (const person of [await s.person(), await s.person()]) await s.deletion(person)
  const locked = await s.lendMail('deletion-scheduled')
  const free = await s.lendMail('deletion-scheduled')
  const sent = () =>
    s.db.selectFrom('outbox').select('id').where('status', '=', 'sent').orderBy('id').execute()
  const gate = s.sink.hold()
  t.teardown(gate.release)

  let sending: Promise<void>[] = []
  let first: { id: string } | undefined
  await s.db.transaction().execute(async (tx) => {
    await sql`select from public.outbox where lease = ${locked} for update`.execute(tx)
    sending = [locked, free].map((lease) => sendMail({ lease }, s.deps))
    await until('the other one is taken, and offered', () => gate.held() === 1)
    first = await s.db
      .selectFrom('outbox')
      .select('id')
      .where('attempts', '=', 1)
      .executeTakeFirst()
  })
  await until('both of them are', () => gate.held() === 2)
  await s.db.transaction().execute(async (tx) => {
    // The one that was offered first, and so is finished first.
    await sql`select from public.outbox where id = ${first?.id} for update`.execute(tx)
    gate.release()
    await until('the other one is finished', async () => (await sent()).length === 1)
  })
  await Promise.all(sending)
  t.equal((await sent()).length, 2)
  t.equal(s.sink.received.length, 2)
})

t.test(
  'a mail refused with 4xx is tried again under the same Message-ID, ever later',
  async (t) => {
    const s = await setup(t)
    await s.deletion(await s.person())
    const gaps: number[] = []
    for (const at of ['RCPT', 'DATA'] as const) {
      s.sink.answer = { at, code: 451 }
      await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
      const row = await outboxRow(s, 'deletion-scheduled')
      t.match(row, { status: 'pending', lease: null })
      gaps.push(row.seconds)
      await makeDue(s)
    }
    t.ok((gaps[0] ?? 0) < (gaps[1] ?? 0), `gaps of ${gaps.join(' and ')} seconds`)

    s.sink.answer.code = 0
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    const { id } = await outboxRow(s, 'deletion-scheduled')
    t.strictSame(
      s.sink.received.map(({ email }) => email.messageId),
      [`<${id}@lethe.test>`],
    )
  },
)

t.test('a mail is dated by the database’s clock, whatever ours says', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  const lease = await s.lendMail('deletion-scheduled')
  const db = await withClockAhead(t, { db: s.db, url: s.databaseUrl }, 40)
  await sendMail({ lease }, { ...s.deps, outbox: openOutbox(db) })
  const [mail] = s.sink.received
  const ahead = Date.parse(mail?.email.date ?? '') - Date.now()
  t.ok(Math.abs(ahead - 40 * 86_400_000) < 60_000, `dated ${mail?.email.date}`)
})

t.test('a mail is tried for five days', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  s.sink.answer.code = 421
  await sql`update public.outbox set attempts = 30, created_at = now() - interval '4 days 23 hours'`.execute(
    s.db,
  )
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending' })

  await sql`update public.outbox set created_at = now() - interval '5 days 1 second', next_attempt_at = now()`.execute(
    s.db,
  )
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'undeliverable', address: null })
})

t.test('a mail that is old because nobody tried gets its tries all the same', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  s.sink.answer.code = 421
  await sql`update public.outbox set created_at = now() - interval '6 days'`.execute(s.db)
  for (let attempt = 1; attempt < 5; attempt++) {
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending', attempts: attempt })
    await makeDue(s)
  }
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'undeliverable', attempts: 5 })
})

t.test('a mail refused with 5xx is undeliverable, noted, and never tried again', async (t) => {
  for (const at of ['RCPT', 'DATA'] as const) {
    const s = await setup(t)
    const { id } = await s.deletion(await s.person())
    s.sink.answer = { at, code: 550 }
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)

    t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'undeliverable', lease: null })
    const events = await s.db.selectFrom('audit_events').selectAll().execute()
    t.match(
      events.filter(({ event }) => event === 'mail.undeliverable'),
      [{ deletion_id: id }],
    )
    const { offers } = s.sink
    await makeDue(s)
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    t.equal(s.sink.offers, offers)
  }
})

t.test('a sender refused is our fault: every mail waits, and the log says why', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person('ada@example.com'))
  const gaps: number[] = []
  for (const code of [530, 550, 553]) {
    s.sink.answer = { at: 'MAIL', code }
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    const row = await outboxRow(s, 'deletion-scheduled')
    t.match(row, { status: 'pending', lease: null })
    gaps.push(row.seconds)
    await makeDue(s)
  }
  t.strictSame(
    gaps,
    gaps.toSorted((a, b) => a - b),
    'ever later',
  )
  const told = s.lines.map((line) => JSON.parse(line))
  t.match(told, Array(3).fill({ level: 50, msg: 'mail.sender-refused', command: 'MAIL FROM' }))
  t.notMatch(s.lines.join(), /ada@|example\.com|no-reply/)

  s.sink.answer = { at: 'RCPT', code: 530 }
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending' }, 'a log-in wanted later')
  await makeDue(s)

  s.sink.answer.code = 0
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'sent' })
})

t.test('a server that refuses DATA has not seen the mail: it waits', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
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
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, { ...s.deps, mailer })
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending', lease: null })
  t.match(s.lines.join(), /"responseCode":554,"command":"DATA"/)
})

t.test(
  'a server that is away, or refuses our log-in, is nobody’s fault: the mail waits',
  async (t) => {
    const s = await setup(t)
    await s.deletion(await s.person())
    for (const url of ['smtp://127.0.0.1:1', s.sink.url.replace('//', '//user:pass@')]) {
      const mailer = openMailer(
        url,
        { name: '', address: 'no-reply@lethe.test' },
        'http://lethe.test',
      )
      t.teardown(() => mailer.close())
      await sendMail({ lease: await s.lendMail('deletion-scheduled') }, { ...s.deps, mailer })
      t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending', lease: null }, url)
      await makeDue(s)
    }
  },
)

t.test(
  'a server silent before the mail is given up soon, one silent after it is not',
  async (t) => {
    const s = await setup(t)
    await s.deletion(await s.person())
    await s.deletion(await s.person())
    const [taking, silent] = [impatient(s.sink.url), impatient(await silentServer(t))]
    const gate = s.sink.hold()
    t.teardown(gate.release)
    const taken = sendMail(
      { lease: await s.lendMail('deletion-scheduled') },
      { ...s.deps, ...taking },
    )
    await until('the server holds the mail', () => gate.held() === 1)

    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, { ...s.deps, ...silent })
    t.match(
      s.lines.map((line) => JSON.parse(line)),
      [{ msg: 'mail.postponed', error: 'MailServerTimeoutError', code: 'ETIMEDOUT' }],
    )
    gate.release()
    await taken
    t.match(JSON.parse(s.lines.at(-1) ?? ''), { msg: 'mail.sent' })
    t.equal(s.sink.offers, 1)

    function impatient(url: string) {
      const sender = { name: '', address: 'no-reply@lethe.test' }
      const mailer = openMailer(url, sender, 'http://lethe.test', 300)
      t.teardown(() => mailer.close())
      return { mailer }
    }
  },
)

t.test('a mail that was taken is noted, though the database fails for a moment', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  await failNotes(s, 2)
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'sent', lease: null, attempts: 1 })
  t.equal(s.sink.received.length, 1)
})

t.test('a mail that was taken is never called undeliverable', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  await failNotes(s, 100)
  await sql`update public.outbox set attempts = 50, created_at = now() - interval '6 days'`.execute(
    s.db,
  )
  await t.rejects(sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps), {
    code: 'P0001',
  })
  const row = await outboxRow(s, 'deletion-scheduled')
  t.match(row, { status: 'pending', lease: String }, 'it is left to its lease')
  t.equal(s.sink.received.length, 1)
})

t.test('no log line names the address or quotes the mail', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person('ada@example.com'))
  for (const code of [451, 550]) {
    s.sink.answer = { at: 'DATA', code }
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    await makeDue(s)
  }
  t.match(
    s.lines.map((line) => JSON.parse(line)),
    [
      { msg: 'mail.postponed', responseCode: 451, mail: 'deletion-scheduled' },
      { msg: 'mail.undeliverable', responseCode: 550 },
    ],
  )
  t.notMatch(s.lines.join('\n'), /ada@|example\.com|token|refused/)
})

t.test('a mail whose news is old by now is not sent', async (t) => {
  const s = await setup(t)
  const ada = await s.person()
  const { id } = await s.deletion(ada)
  await s.db.insertInto('outbox').values({ mail: 'deletion-reminder', deletion_id: id }).execute()
  await s.db.insertInto('outbox').values({ mail: 'export-ready', deletion_id: id }).execute()
  await sql`update public.deletions set status = 'erasing', requested_at = now() - interval '2 days',
    erase_after = now() - interval '1 day', next_reminder_at = null, claimed_at = now()`.execute(
    s.db,
  )
  for (const mail of ['deletion-scheduled', 'deletion-reminder', 'export-ready']) {
    await sendMail({ lease: await s.lendMail(mail) }, s.deps)
    t.match(await outboxRow(s, mail), { status: 'superseded' }, mail)
  }
  t.equal(s.sink.offers, 0)
})

t.test('an address gets ten mails of one kind a day, and not one more', async (t) => {
  const s = await setup(t)
  const { id } = await s.deletion(await s.person())
  const send = async () => {
    await s.db.deleteFrom('outbox').execute()
    await s.db.insertInto('outbox').values({ mail: 'deletion-reminder', deletion_id: id }).execute()
    await sendMail({ lease: await s.lendMail('deletion-reminder') }, s.deps)
    return (await outboxRow(s, 'deletion-reminder')).status
  }
  for (let mail = 1; mail <= 10; mail++) t.equal(await send(), 'sent', `mail ${mail}`)
  t.equal(await send(), 'suppressed')
  t.equal(s.sink.received.length, 10)

  s.deps.rateLimits = false
  t.equal(await send(), 'sent', 'unless limits are off')
})

t.test('trying again does not use up the allowance', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  s.sink.answer.code = 451
  for (let attempt = 1; attempt <= 12; attempt++) {
    await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
    await makeDue(s)
  }
  s.sink.answer.code = 0
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'sent', attempts: 13 })
})

t.test('a link that would not open is never mailed', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  const keys = deriveKeys(randomBytes(32))
  await sendMail({ lease: await s.lendMail('deletion-scheduled') }, { ...s.deps, keys })
  t.equal(s.sink.offers, 0)
  t.match(await outboxRow(s, 'deletion-scheduled'), { status: 'pending' })
  t.match(s.lines.join(), /"code":"ETOKEN"/)
})

t.test('an address cannot become two, nor a header', async (t) => {
  const s = await setup(t)
  const { id } = await s.deletion(await s.person())
  const addresses = [
    'ada@example.com,eve@example.com',
    'ada@example.com>BODY=8BIT',
    'ada@example.com\r\nBcc: eve@example.com',
    '"ada@example.com" <eve@example.com>',
    'ada',
  ]
  for (const address of addresses) {
    await s.db.deleteFrom('outbox').execute()
    await s.db
      .insertInto('outbox')
      .values({ mail: 'deletion-cancelled', deletion_id: id, address })
      .execute()
    await sendMail({ lease: await s.lendMail('deletion-cancelled') }, s.deps)
    t.match(await outboxRow(s, 'deletion-cancelled'), { status: 'undeliverable' }, address)
  }
  t.equal(s.sink.offers, 0)
})

t.test('a worker that stops while the server thinks gives the mail back at once', async (t) => {
  const s = await setup(t)
  await s.deletion(await s.person())
  const gate = s.sink.hold()
  t.teardown(gate.release)
  const sending = sendMail({ lease: await s.lendMail('deletion-scheduled') }, s.deps)
  await until('the server holds the mail', () => gate.held() === 1)
  s.stop.abort(new Error('stopping'))
  await sending
  const row = await outboxRow(s, 'deletion-scheduled')
  t.match(row, { status: 'pending', lease: null })
  t.ok(row.seconds <= 0, 'and it is free')
})

/** Answers everything but RCPT TO. */
async function silentServer(t: Test): Promise<string> {
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

async function outboxRow({ db }: Setup, mail: string) {
  return db
    .selectFrom('outbox')
    .selectAll()
    .select(sql<number>`extract(epoch from next_attempt_at - now())::float8`.as('seconds'))
    .where('mail', '=', mail as 'export-ready')
    .executeTakeFirstOrThrow()
}

/** The database takes what is known of a sent mail only after so many tries. */
async function failNotes({ db }: Setup, times: number) {
  // A sequence goes on, though the statement that asked it fails.
  await sql`create sequence public.notes`.execute(db)
  await sql`create function public.fail_note() returns trigger language plpgsql as $$ begin
    if nextval('public.notes') <= ${sql.lit(times)} then raise exception 'not now'; end if;
    return new;
  end $$`.execute(db)
  await sql`create trigger fail_note before update on public.outbox for each row
    when (new.status = 'sent') execute function public.fail_note()`.execute(db)
}

async function makeDue({ db }: Setup) {
  await sql`update public.outbox set next_attempt_at = now() where status = 'pending'`.execute(db)
}
