import MimeNode from 'nodemailer/lib/mime-node'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import SMTPTransport from 'nodemailer/lib/smtp-transport'

const WITHIN_MS = 4_000

/** What the server says to the sender, where that is not yes; the address itself stays out of it. */
export class SenderRefused extends Error {
  override name = 'SenderRefused'
  readonly code: number

  constructor(code: number) {
    super(`the sender was refused with ${code}`)
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
 * Goes as far as to `MAIL FROM`, and takes that back: no mail is sent. nodemailer has no such step; what it has for
 * log-ins of one's own may say anything to the server, so this one follows the real log-in under a name of its own.
 */
export async function offerSender({ smtpUrl, name, address }: Offer): Promise<{ secure: boolean }> {
  const transport = new SMTPTransport({
    ...{ url: smtpUrl, name },
    dnsTimeout: WITHIN_MS,
    connectionTimeout: WITHIN_MS,
    greetingTimeout: WITHIN_MS,
    socketTimeout: WITHIN_MS,
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
  // Heard by nobody once all is done.
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
    // As for mails: without AUTH on offer there is no log-in.
    if (auth && connection.allowsAuth) await step((done) => connection.login(auth, done))
    await step((done) => connection.login({ method: 'SENDER' }, done))
    if (!reply.startsWith('2')) throw new SenderRefused(Number.parseInt(reply, 10))
    const { secure } = connection
    connection.quit()
    return { secure }
  } catch (error) {
    connection.close()
    throw error
  }
}
