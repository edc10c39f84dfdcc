import { ehloName, isPublicEhloName, type Sender } from '@lethe/config'
import type { NodemailerError } from 'nodemailer'
import { type Finding, ok, warning, why, wrong } from './finding.ts'
import { offerSender, SenderRejectedError } from './offer-sender.ts'

interface Needs {
  smtpUrl: string
  mailFrom: Sender
  publicUrl: string
  production: boolean
}

export async function checkSmtp(needs: Needs): Promise<Finding[]> {
  const { smtpUrl, mailFrom, publicUrl, production } = needs
  const name = ehloName(smtpUrl, publicUrl)
  try {
    const { secure } = await offerSender({ smtpUrl, name, address: mailFrom.address })
    return [
      secure || !production
        ? ok(`accepts mail from MAIL_FROM, ${secure ? 'over TLS' : 'without TLS'}`)
        : warning(
            'accepts mail from MAIL_FROM, but without TLS: mails are sent unprotected',
            'enable STARTTLS on the server, or name one that accepts smtps: in SMTP_URL',
          ),
      ...(production && !isPublicEhloName(name)
        ? [warning(`is greeted with EHLO ${name}: many relays reject such a name`, ehloRemedy)]
        : []),
    ]
  } catch (error) {
    return [findingFor(error, name)]
  }
}

const ehloRemedy = 'set PUBLIC_URL to the public address, or add ?name=HOST to SMTP_URL'

function findingFor(error: unknown, name: string): Finding {
  if (error instanceof SenderRejectedError)
    return error.code === 530
      ? wrong('accepts mail only after a log-in (530)', 'put user and password in SMTP_URL')
      : wrong(
          `rejects the address of MAIL_FROM as sender (${error.code})`,
          'set MAIL_FROM to an address that this server sends mail for',
        )
  const { code, command, originalCode, responseCode } = error as NodemailerError
  if (code === 'EAUTH')
    return wrong(
      `refuses the log-in (${responseCode ?? code})`,
      'correct user and password in SMTP_URL',
    )
  if (responseCode !== undefined && /^(EHLO|HELO)$/.test(command ?? ''))
    return wrong(`rejects the greeting EHLO ${name} (${responseCode})`, ehloRemedy)
  if (responseCode !== undefined)
    return wrong(`rejects this machine (${responseCode})`, 'ask its operator to allow this machine')
  return wrong(
    `does not answer as an SMTP server should${originalCode ? ` (${originalCode})` : why(error)}`,
    'start it, or correct SMTP_URL',
  )
}
