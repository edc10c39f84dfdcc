import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'

export interface SmtpServer {
  url: string
  /** The commands it received, such as `MAIL no-reply@lethe.test`. */
  heard: string[]
  /** The EHLO name of each connection. */
  greetings: string[]
  /** Its reply code to each sender; 0 accepts the sender. */
  refuses: number
}

/** A real SMTP server with an optional log-in: ada, password `lovelace`. */
export async function smtpServer(t: Pick<Test, 'teardown'>): Promise<SmtpServer> {
  const state: SmtpServer = { url: '', heard: [], greetings: [], refuses: 0 }
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth({ username, password }, _session, done) {
      state.heard.push(`AUTH ${username}`)
      const isAda = username === 'ada' && password === 'lovelace'
      done(isAda ? null : new Error('Invalid log-in'), { user: username })
    },
    onMailFrom({ address }, { hostNameAppearsAs }, done) {
      state.greetings.push(hostNameAppearsAs)
      state.heard.push(`MAIL ${address}`)
      const refusal = Object.assign(new Error(`${address} is refused`), {
        responseCode: state.refuses,
      })
      done(state.refuses ? refusal : null)
    },
    onRcptTo({ address }, _session, done) {
      state.heard.push(`RCPT ${address}`)
      done()
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  state.url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return state
}
