import type { Sender } from '@lethe/config'
import type { NodemailerError } from 'nodemailer'
import { type Finding, ok, warning, why, wrong } from './finding.ts'
import { offerSender, SenderRefused } from './offer-sender.ts'

interface Needs {
  smtpUrl: string
  mailFrom: Sender
  production: boolean
}

export async function lookAtSmtp({ smtpUrl, mailFrom, production }: Needs): Promise<Finding[]> {
  try {
    const { secure } = await offerSender(smtpUrl, mailFrom.address)
    if (secure || !production)
      return [ok(`takes mail from MAIL_FROM, ${secure ? 'over TLS' : 'without TLS'}`)]
    return [
      warning(
        'takes mail from MAIL_FROM, but without TLS: mails travel unprotected',
        'let the server offer STARTTLS, or name one in SMTP_URL that takes smtps:',
      ),
    ]
  } catch (error) {
    return [explain(error)]
  }
}

function explain(error: unknown): Finding {
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
  const { code, originalCode, responseCode } = error as NodemailerError
  if (code === 'EAUTH')
    return wrong(
      `refuses the log-in (${responseCode ?? code})`,
      'correct user and password in SMTP_URL',
    )
  if (responseCode !== undefined)
    return wrong(`refuses us (${responseCode})`, 'ask whoever runs it to let this machine in')
  return wrong(
    `does not answer as it should${originalCode ? ` (${originalCode})` : why(error)}`,
    'start it, or correct SMTP_URL',
  )
}
