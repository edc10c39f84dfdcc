import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'
import { throttleWrites } from './throttle-writes.ts'

/** What the server did with a mail: accepted it, accepted it without an answer, or refused it with a 4xx or a 5xx. */
export type Verdict = 'accepted' | 'dropped' | 'refused-4' | 'refused-5'

export interface Offer {
  at: Date
  recipient: string
  /** Empty when the mail was refused before its content came. */
  messageId: string
  subject: string
  verdict: Verdict
  /** The tokens of the mail's links, by their path. */
  tokens: Record<string, string>
}

/**
 * Decides on a mail, possibly after a while. `messageId` is empty at RCPT TO, where only a refusal or a drop has an
 * effect.
 */
export type Responder = (mail: {
  at: 'RCPT' | 'message'
  /** Identifies the connection; it carries one mail after the other. */
  connection: number
  recipient: string
  messageId: string
}) => Verdict | Promise<Verdict>

/**
 * How a connection begins: normally, with answers byte by byte, without a greeting, with a refusal, with nonsense, or
 * with an immediate close.
 */
export type Greeting = 'right' | 'dripping' | 'none' | 'busy' | 'nonsense' | 'hang-up'

export interface MailSink {
  url: string
  offers: Offer[]
  /** The newest accepted mail for this address whose subject contains these words. */
  find(recipient: string, words: string): Offer | undefined
  respond(decide: Responder): void
  greet(decide: () => Greeting): void
  close(): Promise<void>
}

/** Starts a real SMTP server that records every offer of a mail and can fail in each of these ways. */
export async function startMailSink(): Promise<MailSink> {
  const offers: Offer[] = []
  const newest = new Map<string, Offer[]>()
  let respond: Responder = () => 'accepted'
  let greet: () => Greeting = () => 'right'
  const note = (offer: Offer) => {
    offers.push(offer)
    if (offer.verdict === 'accepted' || offer.verdict === 'dropped')
      newest.set(offer.recipient, [offer, ...(newest.get(offer.recipient) ?? [])])
  }
  const sockets = new Map<number, Socket>()
  const hangUp = (port: number) => sockets.get(port)?.destroy()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    // Longer than any client waits for an answer.
    socketTimeout: 15 * 60_000,
    onConnect({ remotePort }, done) {
      const greeting = greet()
      const socket = sockets.get(remotePort)
      if (greeting === 'none') return
      if (greeting === 'hang-up') return hangUp(remotePort)
      if (greeting === 'nonsense') return void socket?.write('SSH-2.0-OpenSSH_9.9\r\n')
      if (greeting === 'busy') return done(refusal('refused-4'))
      if (greeting === 'dripping' && socket) throttleWrites(socket)
      done()
    },
    async onRcptTo({ address: recipient }, { remotePort }, done) {
      const mail = { recipient, messageId: '' }
      const verdict = await respond({ at: 'RCPT', connection: remotePort, ...mail })
      if (verdict === 'accepted') return done()
      note({ at: new Date(), ...mail, subject: '', verdict, tokens: {} })
      if (verdict === 'dropped') hangUp(remotePort)
      else done(refusal(verdict))
    },
    async onData(stream, { envelope, remotePort }, done) {
      const source = await buffer(stream).then(String, () => undefined)
      // The client is gone and the mail never came in full.
      if (source === undefined) return
      const recipient = envelope.rcptTo[0]?.address ?? ''
      const messageId = /^message-id: *(\S+)/im.exec(source)?.[1] ?? ''
      const connection = remotePort
      const verdict = await respond({ at: 'message', connection, recipient, messageId })
      note({
        ...{ at: new Date(), recipient, messageId, verdict },
        subject: /^subject: *(.*)/im.exec(source)?.[1] ?? '',
        tokens: tokensIn(source),
      })
      if (verdict === 'dropped') hangUp(remotePort)
      else done(verdict === 'accepted' ? null : refusal(verdict))
    },
  })
  server.on('error', () => {})
  server.server.on('connection', (socket) => {
    const port = socket.remotePort ?? 0
    sockets.set(port, socket)
    socket.on('close', () => sockets.delete(port))
  })
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    offers,
    find: (recipient, words) =>
      newest.get(recipient)?.find(({ subject }) => subject.includes(words)),
    respond: (decide) => {
      respond = decide
    },
    greet: (decide) => {
      greet = decide
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets.values()) socket.destroy()
      }),
  }
}

function refusal(verdict: Verdict): Error {
  const responseCode = verdict === 'refused-5' ? 550 : 451
  return Object.assign(new Error('Not this one'), { responseCode })
}

/** Finds links such as `…/deletion/cancel#token=…` in quoted-printable text; returns the tokens by path. */
function tokensIn(source: string): Record<string, string> {
  const text = source.replace(/=\r?\n/g, '').replaceAll('=3D', '=')
  const links = text.matchAll(/\/(deletion\/cancel|export)#token=([\w-]{43})/g)
  return Object.fromEntries([...links].map(([, path, token]) => [path, token]))
}
