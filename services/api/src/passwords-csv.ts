import type { SavedPassword } from '@lethe/accounts'
import { siteUrl } from './site-url.ts'

/**
 * RFC 4180, with the header that browsers and password managers export and import, and without a byte-order mark. Unlike
 * in the archive, cells are not neutralized for spreadsheets: a prefix character would make the password wrong.
 */
export function passwordsCsv(saved: SavedPassword[]): string {
  const note = ''
  const rows = saved.map(({ site, username, password }) => {
    return [site, siteUrl(site), username, password, note]
  })
  return [['name', 'url', 'username', 'password', 'note'], ...rows]
    .map((row) => `${row.map(cell).join(',')}\r\n`)
    .join('')
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
