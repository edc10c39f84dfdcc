import t from 'tap'
import {
  accountErased,
  deletionCancelled,
  deletionReminder,
  deletionScheduled,
  exportReady,
  type Mail,
} from '../src/index.ts'
import { readHtml } from './read-html.ts'

const publicUrl = 'https://accounts.example.org'
const token = 'Zm9yZ2V0LW1lLW5vdC1mb3JnZXQtbWUtbm90LWZvcmdldA'
const eraseAfter = new Date('2026-12-27T14:05:59Z')
const expiresAt = new Date('2027-01-03T00:00:00Z')
const counts = {
  tables: { 'vault.person_keys': 1, saved_passwords: 3, sessions: 0, users: 1 },
  files: 2,
  bytes: 48_200,
}
const cancel = `${publicUrl}/deletion/cancel#token=${token}`
const archive = `${publicUrl}/export#token=${token}`

/** Each mail with its link and the facts that both of its parts must state. */
const mails: { name: string; mail: Mail; link?: string; facts: string[] }[] = [
  {
    name: 'deletion-scheduled, asked for by the owner',
    mail: deletionScheduled({ publicUrl, token, eraseAfter, requestedBy: 'owner' }),
    link: cancel,
    facts: [
      'You asked that your account at accounts.example.org be deleted',
      'all its sessions have ended',
      '27 December 2026, 14:05 UTC',
      'your profile, your saved passwords, your picture and everything else',
      'Was it not you? Then someone else may know your password',
    ],
  },
  {
    name: 'deletion-scheduled, asked for by an administrator',
    mail: deletionScheduled({ publicUrl, token, eraseAfter, requestedBy: 'administrator' }),
    link: cancel,
    facts: [
      'An administrator asked that your account',
      'all its sessions have ended',
      '27 December 2026, 14:05 UTC',
      'ask the administrators why',
    ],
  },
  {
    name: 'deletion-reminder',
    mail: deletionReminder({ publicUrl, token, eraseAfter }),
    link: cancel,
    facts: ['27 December 2026, 14:05 UTC', 'erased for good', 'there is nothing to do'],
  },
  {
    name: 'export-ready',
    mail: exportReady({ publicUrl, token, expiresAt, bytes: 3_440_000, isOwn: false }),
    link: archive,
    facts: ['3.44 MB', '3 January 2027, 00:00 UTC', 'This link alone opens the archive'],
  },
  {
    name: 'deletion-cancelled',
    mail: deletionCancelled({ publicUrl }),
    facts: ['active again', 'Every session from before stays ended', 'log in with your password'],
  },
  {
    name: 'account-erased',
    mail: accountErased({ counts }),
    facts: [
      'key to the saved passwords: 1',
      'saved passwords: 3',
      'profile: 1',
      'files: 2 (48.2 kB)',
      'Your address is forgotten once this mail has left',
    ],
  },
  {
    name: 'account-erased, with an archive left',
    mail: accountErased({ counts, exportExpiresAt: expiresAt }),
    facts: ['can still be fetched until 3 January 2027, 00:00 UTC'],
  },
  {
    name: 'account-erased, without the archive that was promised',
    mail: accountErased({ counts, exportFailed: true }),
    facts: ['the archive of your data could not be made'],
  },
]

for (const { name, mail, link, facts } of mails) {
  const page = readHtml(mail.html)
  const text = mail.text.replace(/\s+/g, ' ')
  const dates = facts.filter((fact) => fact.endsWith('UTC'))

  t.test(`${name}: text and HTML tell the same facts`, async (t) => {
    for (const fact of facts) {
      t.ok(text.includes(fact), `text: ${fact}`)
      t.ok(page.text.includes(fact), `HTML: ${fact}`)
    }
    for (const date of dates) t.ok(mail.text.includes(date), `not broken over two lines: ${date}`)
    const paragraphs = mail.text.trim().split('\n\n')
    for (const paragraph of paragraphs.filter((part) => !part.includes('://'))) {
      for (const item of paragraph.split(/^- /m).filter(Boolean)) {
        const words = item.replace(/\s+/g, ' ').trim()
        t.ok(page.text.includes(words), `HTML: ${words}`)
      }
    }
  })

  t.test(`${name}: the link is exact, and the only one`, async (t) => {
    t.strictSame([...new Set(page.links)], link ? [link] : [])
    t.strictSame(
      mail.text.split('\n').filter((line) => line.includes('://')),
      link ? [link] : [],
      'alone on its line in the text',
    )
    t.equal(page.text.includes(link ?? ''), true, 'to be read in the HTML')
  })

  t.test(`${name}: nothing is fetched from anywhere`, async (t) => {
    const urls = `${mail.text} ${mail.html}`.match(/\w+:\/\/[^\s"<]*/g) ?? []
    t.strictSame(new Set(urls), new Set(link ? [link] : []))
    t.notMatch(
      mail.html,
      /<(img|link|script|iframe|object|video|audio|form|base)\b|src=|url\(|@import/i,
    )
  })

  t.test(`${name}: subject and lines are fit for any mail program`, async (t) => {
    t.notMatch(mail.subject, /\p{Cc}/u)
    t.ok(mail.subject.length <= 78)
    for (const line of mail.text.split('\n')) if (line !== link) t.ok(line.length <= 78, line)
    t.notMatch(mail.text, /[^\n\P{Cc}]/u, 'no control characters but line ends')
  })
}

t.test('does not mention absent facts', async (t) => {
  const { text } = accountErased({ counts })
  t.notMatch(text, /sessions|archive/)
})

t.test('a slash at the end of PUBLIC_URL is not doubled', async (t) => {
  const { text } = deletionReminder({ publicUrl: `${publicUrl}/`, token, eraseAfter })
  t.ok(text.includes(`\n${cancel}\n`))
})

t.test('escapes hostile values', async (t) => {
  const hostile = `"><script>alert('1')</script>&amp;\r\nBcc: all@example.org`
  const tables = { [hostile]: 1 }
  const { html, subject, text } = accountErased({ counts: { tables, files: 0, bytes: 0 } })
  t.notMatch(html, /<script/)
  t.ok(html.includes('&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;'))
  t.notMatch(subject, /Bcc/)
  t.notMatch(text, /^Bcc/m)

  for (const mail of [
    deletionScheduled({ publicUrl, token: hostile, eraseAfter, requestedBy: 'owner' }),
    deletionReminder({ publicUrl, token: hostile, eraseAfter }),
    exportReady({ publicUrl, token: hostile, expiresAt, bytes: 1, isOwn: true }),
  ]) {
    t.notMatch(mail.html, /<script/)
    t.notMatch(mail.text, /^Bcc/m)
    t.strictSame(
      new Set(readHtml(mail.html).links.map((link) => new URL(link).origin)),
      new Set([publicUrl]),
    )
  }
})
