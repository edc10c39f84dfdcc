import { ehloName, type Sender } from '@lethe/config'
import type { Mail } from '@lethe/mails'
import nodemailer, { type NodemailerError } from 'nodemailer'

interface OutgoingMail extends Mail {
  /** The id of the outbox row. The Message-ID contains it, so it is the same on every attempt. */
  id: string
  to: string
  date: Date
}

export interface Mailer {
  /** Resolves once the server has accepted the mail. */
  send(mail: OutgoingMail, signal: AbortSignal): Promise<void>
  close(): void
}

/**
 * Suppress vacation replies, receipts and other automatic answers (RFC 3834; Exchange: MS-OXCMAIL §2.1.3.2.20). `All`
 * would also suppress NDR, the non-delivery report, which operators need.
 */
const AUTOMATIC_MAIL_HEADERS = {
  'Auto-Submitted': 'auto-generated',
  'X-Auto-Response-Suppress': 'DR, RN, NRN, OOF, AutoReply',
}

/** Each mail has its own connection, so mails that the server leaves unanswered do not block the others. */
export const MAX_CONCURRENT_MAILS = 10

/** How long the server may take until it accepts DATA: it may check an address for a while. */
const SEND_TIMEOUT_MS = 60_000

/** Sends mails through pooled connections, which is twenty times as fast as one connection per mail. */
export function openMailer(
  smtpUrl: string,
  from: Sender,
  publicUrl: string,
  timeoutMs = SEND_TIMEOUT_MS,
): Mailer {
  const transport = nodemailer.createTransport({
    url: smtpUrl,
    name: ehloName(smtpUrl, publicUrl),
    pool: true,
    maxConnections: MAX_CONCURRENT_MAILS,
    // Short timeouts: no mail has been sent yet, so giving up cannot send it twice. The ten minutes that nodemailer waits
    // later stay: with a shorter timeout, a mail that the server has accepted would be sent again.
    dnsTimeout: 10_000,
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
  })
  // `send` rejects with the same error. Without a listener, the event would end the process.
  transport.on('error', () => {})
  // Nodemailer starts to read the message when the server has accepted DATA.
  transport.use('stream', ({ message, data }, done) => {
    message.processFunc((text) =>
      text.once('resume', (data as unknown as SendObserver).onDataAccepted),
    )
    done()
  })
  const host = new URL(publicUrl).hostname

  return {
    async send({ id, to, date, subject, text, html }, signal) {
      if (!isOneAddress(to)) throw new AddressRefusedError()
      const timeout = new AbortController()
      const timer = setTimeout(() => timeout.abort(new MailServerTimeoutError()), timeoutMs)
      const observer: SendObserver = { onDataAccepted: () => clearTimeout(timer) }
      const sending = transport.sendMail({
        ...observer,
        from,
        // Nodemailer would parse a string as a list of addresses.
        to: { name: '', address: to },
        envelope: { from: from.address, to: [to] },
        messageId: `<${id}@${host}>`,
        date,
        headers: AUTOMATIC_MAIL_HEADERS,
        subject,
        text,
        html,
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: AbortSignal.any([signal, timeout.signal]),
      })
      try {
        await sending
      } catch (error) {
        timeout.signal.throwIfAborted()
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => transport.close({ force: true }),
  }
}

interface SendObserver {
  onDataAccepted(): void
}

class MailServerTimeoutError extends Error {
  override name = 'MailServerTimeoutError'
  readonly code = 'ETIMEDOUT'
}

/** Rejects characters that could end the address, start another one or add a header. */
function isOneAddress(text: string): boolean {
  return /^[^\s\p{Cc}<>,;]+@[^\s\p{Cc}<>,;@]+$/u.test(text)
}

class AddressRefusedError extends Error {
  override name = 'AddressRefusedError'
  readonly code = 'EADDRESS'
}

/** Replies at any step by which a server requires another authentication (RFC 4954 §6). */
const LOG_IN_REPLY_CODES = [530, 534, 535, 538]

/**
 * Whether the server, or we, will never take this mail (RFC 5321 §4.2.1: 5yz): the recipient is refused, or the message
 * once it was seen. Any other refusal, of the log-in, of the sender or of the DATA command before the message
 * (nodemailer's EENVELOPE too), is about this service and not about the mail.
 */
export function isRefusedForGood(error: unknown): boolean {
  if (error instanceof AddressRefusedError) return true
  const { code, command, permanent, responseCode } = error as NodemailerError
  if (permanent !== true || LOG_IN_REPLY_CODES.includes(responseCode ?? 0)) return false
  return code === 'EMESSAGE' || (code === 'EENVELOPE' && command === 'RCPT TO')
}

/** Whether the server refuses every mail of this service: `MAIL_FROM` or `SMTP_URL` is wrong. */
export function isSenderRefused(error: unknown): boolean {
  const { code, command, permanent, responseCode } = error as NodemailerError
  if (code === 'EAUTH' || LOG_IN_REPLY_CODES.includes(responseCode ?? 0)) return true
  return permanent === true && ['EHLO', 'HELO', 'MAIL FROM'].includes(command ?? '')
}

/** The members of such an error that may be logged. Its message and other members quote the address. */
export function mailErrorFacts(error: unknown) {
  if (!(error instanceof Error)) return {}
  const { name, code, originalCode, responseCode, command } = error as NodemailerError
  return { error: name, code: originalCode ?? code, responseCode, command: command?.slice(0, 9) }
}
