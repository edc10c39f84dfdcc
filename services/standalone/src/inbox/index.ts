import { createMailbox, type Mail } from './mailbox.ts'
import { receiveMails } from './smtp.ts'
import { showMails } from './web.ts'

export interface Inbox {
  smtpUrl: string
  webUrl: string
  /** Newest first. */
  mails(): Mail[]
  close(): Promise<void>
}

/** A development inbox on loopback: shows the mails that it receives by SMTP on a page, and sends none on. */
export async function startInbox({ port = 0, host = '127.0.0.1' } = {}): Promise<Inbox> {
  const mailbox = createMailbox()
  const web = await showMails(mailbox, host, port)
  const smtp = await receiveMails(mailbox, host)
  return {
    smtpUrl: smtp.url,
    webUrl: web.url,
    mails: mailbox.list,
    async close() {
      await Promise.all([smtp.close(), web.close()])
    },
  }
}

export type { Mail }
