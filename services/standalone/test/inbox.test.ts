import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { startInbox } from '../src/inbox/index.ts'

const mail = [
  'From: Lethe <no-reply@localhost>',
  'To: ada@example.com',
  'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
  'Message-ID: <1@localhost>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/alternative; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'http://localhost/#token=3Dab=',
  'cd',
  '--b',
  'Content-Type: text/html; charset=utf-8',
  '',
  '<p><script>alert(1)</script>hello</p>',
  '--b--',
].join('\r\n')

t.test('lists a received mail decoded, and shows it as text, HTML and source', async (t) => {
  const inbox = await startInbox()
  t.teardown(() => inbox.close())
  await sendMails(inbox.smtpUrl)
  const listed = await (await fetch(`${inbox.webUrl}/api/mails`)).json()
  t.match(listed, [
    {
      id: 1,
      to: 'ada@example.com',
      subject: 'Grüße',
      messageId: '<1@localhost>',
      text: /^http:\/\/localhost\/#token=abcd\n$/,
    },
  ])
  t.match(await (await fetch(`${inbox.webUrl}/api/mails/1/source`)).text(), 'token=3Dab=')
  const html = await fetch(`${inbox.webUrl}/api/mails/1/html`)
  t.match(await html.text(), 'hello')
  t.match(html.headers.get('content-security-policy'), /^sandbox .*default-src 'none'/)
})

t.test('serves the page and its assets, nothing else, and only by GET', async (t) => {
  const inbox = await startInbox()
  t.teardown(() => inbox.close())
  for (const path of ['/', '/inbox.js', '/inbox.css'])
    t.equal((await fetch(inbox.webUrl + path)).status, 200, path)
  for (const path of ['/api/mails/1/source', '/../package.json', '/nothing'])
    t.equal((await fetch(inbox.webUrl + path)).status, 404, path)
  t.equal((await fetch(`${inbox.webUrl}/api/mails`, { method: 'DELETE' })).status, 405)
})

t.test('a web site whose name resolves to this machine cannot read mails', async (t) => {
  const inbox = await startInbox()
  t.teardown(() => inbox.close())
  const { port } = new URL(inbox.webUrl)
  for (const [host, status] of [
    ['evil.example', 421],
    ['localhost.evil.example', 421],
    ['localhost', 200],
  ] as const) {
    const asked = get({ port, path: '/api/mails', headers: { host } })
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    response.resume()
    t.equal(response.statusCode, status, host)
  }
})

t.test('keeps the newest two hundred mails', async (t) => {
  const inbox = await startInbox()
  t.teardown(() => inbox.close())
  await sendMails(inbox.smtpUrl, 201)
  t.equal(inbox.mails().length, 200)
  t.equal(inbox.mails()[0]?.id, 201)
  t.equal((await fetch(`${inbox.webUrl}/api/mails/1/source`)).status, 404)
})

/** Sends `count` mails over one SMTP connection. */
async function sendMails(smtpUrl: string, times = 1): Promise<void> {
  const { hostname, port } = new URL(smtpUrl)
  const socket = connect(Number(port), hostname)
  const commands = ['EHLO x']
  for (let n = 0; n < times; n++)
    commands.push('MAIL FROM:<a@b.c>', 'RCPT TO:<ada@example.com>', 'DATA', `${mail}\r\n.`)
  commands.push('QUIT')
  let pending = ''
  for await (const chunk of socket) {
    pending += chunk
    const lines = pending.split('\r\n')
    pending = lines.pop() ?? ''
    for (const line of lines) {
      const [, code = '', more] = /^(\d{3})([ -])/.exec(line) ?? []
      if (Number(code) >= 400) throw new Error(line)
      const command = commands[0]
      if (more === ' ' && command !== undefined) {
        socket.write(`${command}\r\n`)
        commands.shift()
      }
    }
  }
}
