import type { Counts } from '@lethe/db'
import { compose, type Mail } from './compose.ts'
import { formatBytes, formatDate } from './format.ts'

interface AccountErased {
  counts: Counts
  /** When the link to the finished archive expires. */
  exportExpiresAt?: Date
  /** The promised archive could not be made. */
  exportFailed?: boolean
}

export function accountErased({ counts, exportExpiresAt, exportFailed }: AccountErased): Mail {
  return compose('Your account has been erased', [
    'Your account has been erased, with everything in it:',
    { items: listErasedRows(counts) },
    ...(exportExpiresAt
      ? [
          `The archive of your data can still be fetched until ${formatDate(exportExpiresAt)}, with the link that came in a mail of its own.`,
        ]
      : []),
    ...(exportFailed
      ? ['We are sorry: the archive of your data could not be made, although it was promised.']
      : []),
    'What remains is a record without your name or address: when the deletion was asked for and done, and the numbers above. Your address is forgotten once this mail has left; no other mail will follow.',
  ])
}

function listErasedRows({ tables, files, bytes }: Counts): string[] {
  const rows = Object.entries(tables)
    .filter(([, count]) => count > 0)
    .map(([table, count]) => `${tableLabel(table)}: ${count}`)
  return files > 0 ? [...rows, `files: ${files} (${formatBytes(bytes)})`] : rows
}

/** Turns `saved_passwords` into "saved passwords", so that a new table needs no entry here. */
function tableLabel(table: string): string {
  return names[table] ?? table.replace(/^.*\./, '').replaceAll('_', ' ')
}

const names: Record<string, string> = {
  users: 'profile',
  'vault.person_keys': 'key to the saved passwords',
}
