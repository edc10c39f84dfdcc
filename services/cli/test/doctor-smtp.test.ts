import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { hostname } from 'node:os'
import t, { type Test } from 'tap'
import { asProcess } from './as-process.ts'
import { healthy } from './healthy.ts'
import { muteServer } from './mute-server.ts'

t.test('a server that accepts the sender is ok, and gets no mail', async (t) => {
  const { doctor, smtp } = await healthy(t)
  const ada = smtp.url.replace('//', '//ada:lovelace@')
  t.match(await doctor({ SMTP_URL: ada }), { code: 0, text: /^ok +SMTP +accepts mail/m })
  t.strictSame(smtp.heard, ['AUTH ada', 'MAIL no-reply@lethe.test'])
})

t.test('reports a server that rejects the sender, temporarily or permanently', async (t) => {
  const { doctor, smtp } = await healthy(t)
  for (const code of [450, 550, 553]) {
    smtp.refuses = code
    const result = await doctor()
    t.equal(result.code, 1)
    t.strictSame(result.faults, ['wrong SMTP'])
    t.match(result.text, new RegExp(`rejects the address of MAIL_FROM as sender \\(${code}\\)`))
    t.match(result.text, /→ set MAIL_FROM to /)
    t.notMatch(result.text, 'no-reply')
  }
  smtp.refuses = 530
  const { text, faults } = await doctor()
  t.strictSame(faults, ['wrong SMTP'])
  t.match(text, /only after a log-in/)
})

t.test('reports a server that rejects the log-in', async (t) => {
  const { doctor, smtp } = await healthy(t)
  const { code, text, faults } = await doctor({
    SMTP_URL: smtp.url.replace('//', '//ada:hunter2@'),
  })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong SMTP'] })
  t.match(text, /refuses the log-in \(535\)/)
  t.notMatch(text, /hunter2|ada/)
})

t.test('reports a server that is missing, silent or no SMTP server', async (t) => {
  const { doctor, smtp } = await healthy(t)
  for (const [url, line] of [
    ['smtp://127.0.0.1:1', /does not answer as an SMTP server should \(ECONNREFUSED\)/],
    ['smtp://nowhere.invalid', /does not answer as an SMTP server should \(E/],
    [
      `smtp://127.0.0.1:${await muteServer(t)}`,
      /does not answer as an SMTP server should \(ETIMEDOUT\)/,
    ],
    [smtp.url.replace('smtp:', 'smtps:'), /does not answer as an SMTP server should/],
    [await scripted(t, '554 no service'), /rejects this machine \(554\)/],
  ] as const) {
    const { code, text, faults } = await doctor({ SMTP_URL: url })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong SMTP'] }, url)
    t.match(text, line)
  }
})

t.test(
  'a server that never comes to an end holds neither the others nor the process',
  async (t) => {
    const { env } = await healthy(t)
    const SMTP_URL = await scripted(t, '220 hello', '250 hello', 'for ever')
    const { code, text, faults } = await asProcess({ ...env, SMTP_URL })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong SMTP'] })
    t.match(text, /^wrong +SMTP +could not be checked \(ETIMEDOUT\)$/m)
    t.match(text, /^ok +GRACE_PERIOD/m)
  },
)

t.test(
  'it greets the server as the worker does, and warns of a name for one machine',
  async (t) => {
    const { doctor, smtp } = await healthy(t)
    await doctor()
    t.strictSame(smtp.greetings, ['lethe.test'], 'the host of PUBLIC_URL')
    const local = { PUBLIC_URL: 'http://localhost:3000', NODE_ENV: 'production' }
    const warned = await doctor(local)
    t.match(warned.text, new RegExp(`^warning +SMTP +is greeted with EHLO ${hostname()}: `, 'm'))
    t.match(warned.text, /→ set PUBLIC_URL to the public address, or add \?name=HOST to SMTP_URL/)
    const named = await doctor({ ...local, SMTP_URL: `${smtp.url}?name=mx.lethe.test` })
    t.notMatch(named.text, 'EHLO')
    t.strictSame(smtp.greetings, ['lethe.test', hostname(), 'mx.lethe.test'])
  },
)

t.test('reports a server that rejects the greeting, with the rejected name', async (t) => {
  const { doctor } = await healthy(t)
  for (const lines of [['421 closing'], ['550 who?', '550 who?']]) {
    const SMTP_URL = await scripted(t, '220 hello', ...lines)
    const { code, text, faults } = await doctor({ SMTP_URL })
    t.strictSame({ code, faults }, { code: 1, faults: ['wrong SMTP'] })
    t.match(text, /rejects the greeting EHLO lethe\.test \((421|550)\)\n +→ set PUBLIC_URL/)
  }
})

/** A server that sends the first line on connect, and each further line as a reply. */
async function scripted(t: Test, ...lines: string[]): Promise<string> {
  const server = createServer((socket) => {
    const left = [...lines]
    let timer: NodeJS.Timeout | undefined
    const say = () => {
      const line = left.shift()
      if (line === 'for ever') timer = setInterval(() => socket.write('250-and\r\n'), 200)
      else if (line) socket.write(`${line}\r\n`)
    }
    socket.on('data', say)
    socket.on('error', () => {})
    socket.on('close', () => clearInterval(timer))
    t.teardown(() => socket.destroy())
    say()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`
}
