import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'

export interface SmtpServer {
  url: string
  /** What it was told, as in `MAIL no-reply@lethe.test`. */
  heard: string[]
  /** The name that it was greeted with, each time. */
  greetings: string[]
  /** Its answer to each sender; 0 takes it. */
  refuses: number
}

/** A real SMTP server, where ada may log in with the password `lovelace` and need not. */
export async function smtpServer(t: Pick<Test, 'teardown'>): Promise<SmtpServer> {
  const told: SmtpServer = { url: '', heard: [], greetings: [], refuses: 0 }
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth({ username, password }, _session, done) {
      told.heard.push(`AUTH ${username}`)
      const isAda = username === 'ada' && password === 'lovelace'
      done(isAda ? null : new Error('Invalid log-in'), { user: username })
    },
    onMailFrom({ address }, { hostNameAppearsAs }, done) {
      told.greetings.push(hostNameAppearsAs)
      told.heard.push(`MAIL ${address}`)
      const refusal = Object.assign(new Error(`${address} is refused`), {
        responseCode: told.refuses,
      })
      done(told.refuses ? refusal : null)
    },
    onRcptTo({ address }, _session, done) {
      told.heard.push(`RCPT ${address}`)
      done()
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  told.url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return told
}
