import PostalMime from 'postal-mime'

/** A mail as the inbox shows it. */
export interface Mail {
  id: number
  receivedAt: string
  from: string
  to: string
  subject: string
  messageId: string
  text: string
  html: string
}

export interface Mailbox {
  add(source: Buffer, to: string[]): Promise<void>
  /** Newest first. */
  list(): Mail[]
  source(id: number): Buffer | undefined
}

const MAILS = 200
const BYTES = 30 * 1024 * 1024

/** Keeps the newest mails in memory, bounded in number and size. */
export function createMailbox(): Mailbox {
  const kept: { mail: Mail; source: Buffer }[] = []
  let last = 0
  return {
    async add(source, to) {
      const {
        from,
        subject = '',
        messageId = '',
        text = '',
        html = '',
      } = await PostalMime.parse(source)
      const mail: Mail = {
        id: ++last,
        receivedAt: new Date().toISOString(),
        from: from?.address ?? '',
        to: to.join(', '),
        subject,
        messageId,
        text,
        html,
      }
      kept.unshift({ mail, source })
      while (kept.length > MAILS || sizeOf(kept) > BYTES) kept.pop()
    },
    list: () => kept.map(({ mail }) => mail),
    source: (id) => kept.find(({ mail }) => mail.id === id)?.source,
  }
}

function sizeOf(kept: { source: Buffer }[]): number {
  return kept.reduce((sum, { source }) => sum + source.length, 0)
}
