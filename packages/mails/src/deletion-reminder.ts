import { compose, type Mail } from './compose.ts'
import { formatDate, formatDay } from './format.ts'
import { cancelLink, yourAccount } from './links.ts'

interface DeletionReminder {
  publicUrl: string
  token: string
  eraseAfter: Date
}

export function deletionReminder({ publicUrl, token, eraseAfter }: DeletionReminder): Mail {
  return compose(`Reminder: your account will be erased on ${formatDay(eraseAfter)}`, [
    `The deletion of ${yourAccount(publicUrl)} is near: after ${formatDate(eraseAfter)} it will be erased for good, with everything in it.`,
    'If you would rather stay, this link keeps your account as it was. It works until the erasure begins.',
    { label: 'Keep my account', href: cancelLink(publicUrl, token) },
    'If you still want to leave, there is nothing to do.',
  ])
}
