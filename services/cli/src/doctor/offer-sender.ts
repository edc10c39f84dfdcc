import MimeNode from 'nodemailer/lib/mime-node'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import SMTPTransport from 'nodemailer/lib/smtp-transport'

const SMTP_TIMEOUT_MS = 4_000

/** The server rejected the sender. The message omits the address. */
export class SenderRejectedError extends Error {
  override name = 'SenderRejectedError'
  readonly code: number

  constructor(code: number) {
    super(`the server rejected the sender with ${code}`)
    this.code = code
  }
}

interface Offer {
  smtpUrl: string
  /** The name to greet the server with. */
  name: string
  address: string
}

/**
 * Sends `MAIL FROM` and then quits, so no mail is sent. nodemailer has no such step, but its custom log-ins may send any
 * command: this one runs after the real log-in, as a custom method named SENDER.
 */
export async function offerSender({ smtpUrl, name, address }: Offer): Promise<{ secure: boolean }> {
  const transport = new SMTPTransport({
    url: smtpUrl,
    name,
    dnsTimeout: SMTP_TIMEOUT_MS,
    connectionTimeout: SMTP_TIMEOUT_MS,
    greetingTimeout: SMTP_TIMEOUT_MS,
    socketTimeout: SMTP_TIMEOUT_MS,
  })
  const { from } = new MimeNode().setEnvelope({ from: address, to: address }).getEnvelope()
  let reply = ''
  const connection = new SMTPConnection({
    ...transport.options,
    customAuth: {
      async SENDER({ sendCommand, extensions }) {
        const utf8 = extensions.includes('SMTPUTF8') && /[^ -~]/.test(`${from}`)
        reply = (await sendCommand(`MAIL FROM:<${from}>${utf8 ? ' SMTPUTF8' : ''}`)).response
      },
    },
  })
  const broken = Promise.withResolvers<never>()
  // A rejection after the last step must not be an unhandled one.
  broken.promise.catch(() => {})
  connection.on('error', broken.reject)
  connection.on('end', () => broken.reject(new Error('the server ended the connection')))
  const step = (begin: (done: (error?: Error | null) => void) => void) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    begin((error) => (error ? reject(error) : resolve()))
    return Promise.race([promise, broken.promise])
  }
  try {
    await step((done) => connection.connect(done))
    const auth = transport.getAuth({})
    // As when mails are sent: log in only where the server offers AUTH.
    if (auth && connection.allowsAuth) await step((done) => connection.login(auth, done))
    await step((done) => connection.login({ method: 'SENDER' }, done))
    if (!reply.startsWith('2')) throw new SenderRejectedError(Number.parseInt(reply, 10))
    const { secure } = connection
    connection.quit()
    return { secure }
  } catch (error) {
    connection.close()
    throw error
  }
}
