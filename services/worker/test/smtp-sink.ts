import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import PostalMime, { type Email } from 'postal-mime'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'

export interface Received {
  from: string
  to: string[]
  source: string
  email: Email
  /** The name that the client greeted the server with. */
  ehlo: string
}

/** `DATA` is the message itself, not the command before it. */
export type Step = 'MAIL' | 'RCPT' | 'DATA'

export interface SmtpSink {
  url: string
  received: Received[]
  /** Offers of a mail, accepted or not. */
  offers: number
  /** The answer to each offer; 0 accepts. */
  answer: { at: Step; code: number }
  /** Receives mails but delays the answer until `release` is called. */
  hold(): { release(): void; held(): number }
}

/** Starts an SMTP server that keeps the received mails. */
export async function smtpSink(t: Pick<Test, 'teardown'>): Promise<SmtpSink> {
  let gate: Promise<void> = Promise.resolve()
  let heldMails = 0
  const sink: SmtpSink = {
    url: '',
    received: [],
    offers: 0,
    answer: { at: 'RCPT', code: 0 },
    hold() {
      const open = Promise.withResolvers<void>()
      gate = open.promise
      return { release: open.resolve, held: () => heldMails }
    },
  }
  const refuse = (at: Step, address: string) =>
    sink.answer.code && sink.answer.at === at
      ? Object.assign(new Error(`${address} is refused`), { responseCode: sink.answer.code })
      : null
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    // Clients without a log-in may send mail; every log-in is refused.
    onAuth: (_auth, _session, done) => done(new Error('Invalid log-in')),
    onMailFrom({ address }, _session, done) {
      sink.offers++
      done(refuse('MAIL', address))
    },
    onRcptTo({ address }, _session, done) {
      done(refuse('RCPT', address))
    },
    async onData(stream, { envelope, hostNameAppearsAs: ehlo }, done) {
      const source = await buffer(stream).catch(() => undefined)
      // The client closed the connection in the middle of the mail.
      if (!source) return
      heldMails++
      await gate
      heldMails--
      const to = envelope.rcptTo.map(({ address }) => address)
      const error = refuse('DATA', to.join())
      const from = envelope.mailFrom ? envelope.mailFrom.address : ''
      if (!error)
        sink.received.push({
          from,
          to,
          source: source.toString(),
          ehlo,
          email: await PostalMime.parse(source),
        })
      done(error)
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  sink.url = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return sink
}
