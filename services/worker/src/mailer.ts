import { ehloName, type Sender } from '@lethe/config'
import type { Mail } from '@lethe/mails'
import nodemailer, { type NodemailerError } from 'nodemailer'

interface Letter extends Mail {
  /** Of the outbox row: the same on every try, and so is the Message-ID. */
  id: string
  to: string
  date: Date
}

export interface Mailer {
  /** Resolves once the server has taken the mail. */
  send(letter: Letter, signal: AbortSignal): Promise<void>
  close(): void
}

/**
 * No vacation reply, receipt or other automatic answer to a mail that no person wrote (RFC 3834; Exchange: MS-OXCMAIL
 * §2.1.3.2.20). `All` would also suppress NDR, the report that a mail could not be delivered, which operators need.
 */
const automatic = {
  'Auto-Submitted': 'auto-generated',
  'X-Auto-Response-Suppress': 'DR, RN, NRN, OOF, AutoReply',
}

/** Each has a connection: a server that leaves some without an answer does not make others wait. */
export const mailsAtOnce = 10

/** How long nothing of a mail need leave, milliseconds: a server may look long at an address before it takes it. */
const PATIENCE_MS = 60_000

/** Mails through a few kept connections: twenty times as fast as one connection a mail. */
export function openMailer(
  smtpUrl: string,
  from: Sender,
  publicUrl: string,
  patienceMs = PATIENCE_MS,
): Mailer {
  const transport = nodemailer.createTransport({
    url: smtpUrl,
    name: ehloName(smtpUrl, publicUrl),
    pool: true,
    maxConnections: mailsAtOnce,
    // Before a mail begins to leave nothing can be sent twice, so a server that is away or silent is given up soon. The
    // ten minutes of silence that nodemailer bears afterwards stay: cut short, mails that were taken would be sent again.
    dnsTimeout: 10_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
  })
  // The reason reaches whoever sends; unheard, it would end the process.
  transport.on('error', () => {})
  // A mail is read from when the server has said that it takes one.
  transport.use('stream', ({ message, data }, done) => {
    message.processFunc((text) => text.once('resume', (data as unknown as Leaving).leaves))
    done()
  })
  const host = new URL(publicUrl).hostname

  return {
    async send({ id, to, date, subject, text, html }, signal) {
      if (!isOneAddress(to)) throw new AddressRefusedError()
      const patience = new AbortController()
      const timer = setTimeout(() => patience.abort(new MailServerTimeoutError()), patienceMs)
      const leaving: Leaving = { leaves: () => clearTimeout(timer) }
      const sent = transport.sendMail({
        ...leaving,
        from,
        // As an object it is never read as a list of addresses.
        to: { name: '', address: to },
        envelope: { from: from.address, to: [to] },
        messageId: `<${id}@${host}>`,
        date,
        headers: automatic,
        subject,
        text,
        html,
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: AbortSignal.any([signal, patience.signal]),
      })
      try {
        await sent
      } catch (error) {
        patience.signal.throwIfAborted()
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => transport.close({ force: true }),
  }
}

interface Leaving {
  leaves(): void
}

class MailServerTimeoutError extends Error {
  override name = 'MailServerTimeoutError'
  readonly code = 'ETIMEDOUT'
}

/** Nothing that could end the address, start another one or add a header. */
function isOneAddress(text: string): boolean {
  return /^[^\s\p{Cc}<>,;]+@[^\s\p{Cc}<>,;@]+$/u.test(text)
}

class AddressRefusedError extends Error {
  override name = 'AddressRefusedError'
  readonly code = 'EADDRESS'
}

/** RFC 4954 §6: what a server says at any step to whom it wants logged in, or otherwise than they are. */
const aboutLogIn = [530, 534, 535, 538]

/**
 * Whether the server, or we, will never take this mail (RFC 5321 §4.2.1: 5yz): the recipient is refused, or the message
 * once it was seen. Any other refusal, of the log-in, of the sender or of the DATA command before the message
 * (nodemailer's EENVELOPE too), is about this service and not about the mail.
 */
export function isRefusedForGood(error: unknown): boolean {
  if (error instanceof AddressRefusedError) return true
  const { code, command, permanent, responseCode } = error as NodemailerError
  if (permanent !== true || aboutLogIn.includes(responseCode ?? 0)) return false
  return code === 'EMESSAGE' || (code === 'EENVELOPE' && command === 'RCPT TO')
}

/** Whether the server takes no mail from this service, whomever it is for: `MAIL_FROM` or `SMTP_URL` is wrong. */
export function isSenderRefused(error: unknown): boolean {
  const { code, command, permanent, responseCode } = error as NodemailerError
  if (code === 'EAUTH' || aboutLogIn.includes(responseCode ?? 0)) return true
  return permanent === true && ['EHLO', 'HELO', 'MAIL FROM'].includes(command ?? '')
}

/** What may be logged of such an error: its message and its other members quote the address. */
export function mailErrorFacts(error: unknown) {
  if (!(error instanceof Error)) return {}
  const { name, code, originalCode, responseCode, command } = error as NodemailerError
  return { error: name, code: originalCode ?? code, responseCode, command: command?.slice(0, 9) }
}
