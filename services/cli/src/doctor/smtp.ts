import { ehloName, isPublicEhloName, type Sender } from '@lethe/config'
import type { NodemailerError } from 'nodemailer'
import { type Finding, ok, warning, why, wrong } from './finding.ts'
import { offerSender, SenderRefused } from './offer-sender.ts'

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
        ? ok(`takes mail from MAIL_FROM, ${secure ? 'over TLS' : 'without TLS'}`)
        : warning(
            'takes mail from MAIL_FROM, but without TLS: mails travel unprotected',
            'let the server offer STARTTLS, or name one in SMTP_URL that takes smtps:',
          ),
      ...(production && !isPublicEhloName(name)
        ? [warning(`is greeted with EHLO ${name}: many relays hang up on such a name`, nameUs)]
        : []),
    ]
  } catch (error) {
    return [explain(error, name)]
  }
}

const nameUs = 'set PUBLIC_URL to the public address, or add ?name=HOST to SMTP_URL'

function explain(error: unknown, name: string): Finding {
  if (error instanceof SenderRefused)
    return error.code === 530
      ? wrong(
          'takes mail from nobody who does not log in (530)',
          'put user and password in SMTP_URL',
        )
      : wrong(
          `refuses the address of MAIL_FROM as sender (${error.code})`,
          'set MAIL_FROM to an address that this server sends for',
        )
  const { code, command, originalCode, responseCode } = error as NodemailerError
  if (code === 'EAUTH')
    return wrong(
      `refuses the log-in (${responseCode ?? code})`,
      'correct user and password in SMTP_URL',
    )
  if (responseCode !== undefined && /^(EHLO|HELO)$/.test(command ?? ''))
    return wrong(`refuses the greeting EHLO ${name} (${responseCode})`, nameUs)
  if (responseCode !== undefined)
    return wrong(`refuses us (${responseCode})`, 'ask whoever runs it to let this machine in')
  return wrong(
    `does not answer as it should${originalCode ? ` (${originalCode})` : why(error)}`,
    'start it, or correct SMTP_URL',
  )
}
