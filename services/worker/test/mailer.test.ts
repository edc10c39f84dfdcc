import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { hasMailableDomain, hasMailableLocalPart, normalizeAddress } from '@lethe/accounts'
import t, { type Test } from 'tap'
import { isRefusedForGood, isSenderRefused, openMailer } from '../src/mailer.ts'

const mail = {
  id: '1',
  to: 'ada@example.com',
  date: new Date(),
  subject: 'A subject',
  text: 'A text',
  html: '<p>A text</p>',
}

t.test('a relay that rejects loopback names in EHLO accepts our mails', async (t) => {
  for (const [query, publicUrl, greeting] of [
    ['', 'https://accounts.example.org', 'EHLO accounts.example.org'],
    ['', 'http://192.0.2.1', 'EHLO [192.0.2.1]'],
    ['?name=mx.example.org', 'http://localhost:3000', 'EHLO mx.example.org'],
    ['', 'http://localhost:3000', `EHLO ${hostname()}`],
  ] as const) {
    const relay = await startPickyRelay(t)
    const from = { name: 'Lethe', address: 'no-reply@example.org' }
    const mailer = openMailer(`${relay.url}${query}`, from, publicUrl)
    t.teardown(() => mailer.close())
    await mailer.send(mail, AbortSignal.timeout(30_000))
    t.strictSame(relay.greetings, [greeting])
  }
})

t.test('a relay that refuses our EHLO name refuses the sender, not this mail', async (t) => {
  const relay = await startPickyRelay(t, '550 5.7.1 who are you?')
  const from = { name: 'Lethe', address: 'no-reply@example.org' }
  const mailer = openMailer(`${relay.url}?name=localhost`, from, 'https://accounts.example.org')
  t.teardown(() => mailer.close())
  const error = await mailer.send(mail, AbortSignal.timeout(30_000)).catch((error) => error)
  t.strictSame(relay.greetings, ['EHLO localhost', 'HELO localhost'])
  t.strictSame([isSenderRefused(error), isRefusedForGood(error)], [true, false])
})

t.test('the mailer sends to exactly the address that sign-up accepts', async (t) => {
  const relay = await startPickyRelay(t)
  const from = { name: 'Lethe', address: 'no-reply@example.org' }
  const mailer = openMailer(relay.url, from, 'https://accounts.example.org')
  t.teardown(() => mailer.close())
  const recipientOf = async (to: string) => {
    await mailer.send({ ...mail, to }, AbortSignal.timeout(30_000))
    return relay.recipients.at(-1)
  }
  const domains = [
    ...[
      'example.com',
      'EXAMPLE.com',
      'bücher.example',
      'xn--bcher-kva.example',
      'faß.example',
      'münchen。example',
    ],
    ...['☃.example', 'a.b.c.d.example', '1.example', 'a--b.example', 'аррӏе.example'],
  ]
  const locals = ['ada', 'Ada.B+c', "!#$%&'*+/=?^_`{|}~-", '1']
  for (const typed of domains.flatMap((domain) => locals.map((local) => `${local}@${domain}`))) {
    t.ok(hasMailableLocalPart(typed) && hasMailableDomain(typed), typed)
    t.equal(await recipientOf(normalizeAddress(typed)), normalizeAddress(typed))
  }
  for (const typed of ['a@1.2', 'a@0x7f.1']) {
    t.not(await recipientOf(typed), typed, 'the mailer changes the address')
    t.notOk(hasMailableDomain(typed), 'so sign-up rejects it')
  }
})

/** Refuses a greeting with a loopback name. Google's relay closes the connection in that case. */
async function startPickyRelay(t: Test, refusal = '421 4.7.0 closing') {
  const greetings: string[] = []
  const recipients: string[] = []
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    let inMessage = false
    socket.on('error', () => {})
    socket.write('220 mx.example.org ESMTP\r\n')
    createInterface({ input: socket }).on('line', (line) => {
      if (inMessage && line !== '.') return
      inMessage = line === 'DATA'
      if (/^(EHLO|HELO)/.test(line)) greetings.push(line)
      const [, recipient] = /^RCPT TO:<(.*)>/.exec(line) ?? []
      if (recipient) recipients.push(recipient)
      if (/^(EHLO|HELO) (\[?127\.|localhost)/i.test(line)) {
        socket.write(`${refusal}\r\n`)
        if (refusal.startsWith('421')) socket.end()
      } else socket.write(inMessage ? '354 go on\r\n' : '250 yes\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return {
    greetings,
    recipients,
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
}
