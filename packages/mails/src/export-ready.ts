import { compose, type Mail } from './compose.ts'
import { formatBytes, formatDate } from './format.ts'
import { exportLink, yourAccount } from './links.ts'

interface ExportReady {
  publicUrl: string
  token: string
  expiresAt: Date
  bytes: number
  /** The person asked for this archive without deleting the account. */
  isOwn: boolean
}

export function exportReady({ publicUrl, token, expiresAt, bytes, isOwn }: ExportReady): Mail {
  return compose('Your data is ready to download', [
    `The archive of the data in ${yourAccount(publicUrl)} is made (${formatBytes(bytes)}). It can be fetched until ${formatDate(expiresAt)}.`,
    { label: 'Open my archive', href: exportLink(publicUrl, token) },
    'This link alone opens the archive, without a password: pass it on to nobody. The page behind it tells how often the archive was fetched, and can destroy it.',
    isOwn
      ? 'Of your saved passwords the archive names the sites and user names only: log in to see the passwords themselves. Was it not you who asked for this archive? Then someone else may know your password: destroy the archive, log in, and choose a new password.'
      : 'Of your saved passwords the archive names the sites and user names only. The page behind the link gives you the passwords themselves, against the password of your account, as long as the account has not been erased.',
  ])
}
