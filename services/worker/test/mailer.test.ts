import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { hasMailableDomain, hasMailableLocalPart, storedAddress } from '@lethe/accounts'
import t, { type Test } from 'tap'
import { isRefusedForGood, isSenderRefused, openMailer } from '../src/mailer.ts'

const letter = {
  ...{ id: '1', to: 'ada@example.com', date: new Date() },
  ...{ subject: 'A subject', text: 'A text', html: '<p>A text</p>' },
}

t.test('a relay that hangs up on loopback names takes our mails', async (t) => {
  for (const [query, publicUrl, greeting] of [
    ['', 'https://accounts.example.org', 'EHLO accounts.example.org'],
    ['', 'http://192.0.2.1', 'EHLO [192.0.2.1]'],
    ['?name=mx.example.org', 'http://localhost:3000', 'EHLO mx.example.org'],
    ['', 'http://localhost:3000', `EHLO ${hostname()}`],
  ] as const) {
    const relay = await pickyRelay(t)
    const from = { name: 'Lethe', address: 'no-reply@example.org' }
    const mailer = openMailer(`${relay.url}${query}`, from, publicUrl)
    t.teardown(() => mailer.close())
    await mailer.send(letter, AbortSignal.timeout(30_000))
    t.strictSame(relay.greetings, [greeting])
  }
})

t.test('a relay that refuses our name refuses the sender, and not this mail', async (t) => {
  const relay = await pickyRelay(t, '550 5.7.1 who are you?')
  const from = { name: 'Lethe', address: 'no-reply@example.org' }
  const mailer = openMailer(`${relay.url}?name=localhost`, from, 'https://accounts.example.org')
  t.teardown(() => mailer.close())
  const error = await mailer.send(letter, AbortSignal.timeout(30_000)).catch((error) => error)
  t.strictSame(relay.greetings, ['EHLO localhost', 'HELO localhost'])
  t.strictSame([isSenderRefused(error), isRefusedForGood(error)], [true, false])
})

t.test('an address that is taken at sign-up is the one that the server is told', async (t) => {
  const relay = await pickyRelay(t)
  const from = { name: 'Lethe', address: 'no-reply@example.org' }
  const mailer = openMailer(relay.url, from, 'https://accounts.example.org')
  t.teardown(() => mailer.close())
  const told = async (to: string) => {
    await mailer.send({ ...letter, to }, AbortSignal.timeout(30_000))
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
    t.equal(await told(storedAddress(typed)), storedAddress(typed))
  }
  for (const typed of ['a@1.2', 'a@0x7f.1']) {
    t.not(await told(typed), typed, 'the mailer writes another one')
    t.notOk(hasMailableDomain(typed), 'so it is not taken')
  }
})

/** Refuses a greeting that names no public machine. The relay of Google ends the session there. */
async function pickyRelay(t: Test, refusal = '421 4.7.0 closing') {
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
