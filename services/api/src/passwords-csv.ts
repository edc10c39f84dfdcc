import type { SavedPassword } from '@lethe/accounts'

/**
 * RFC 4180, with the header that browsers and password managers export and import. Unlike the archive's, its cells
 * are not neutralised for spreadsheets: a password with a sign put before it would be a wrong password.
 */
export function passwordsCsv(saved: SavedPassword[]): string {
  const rows = saved.map(({ site, username, password }) => [site, site, username, password])
  return [['name', 'url', 'username', 'password'], ...rows]
    .map((row) => `${row.map(cell).join(',')}\r\n`)
    .join('')
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
