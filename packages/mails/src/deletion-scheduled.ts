import { compose, type Mail } from './compose.ts'
import { formatDate, formatDay } from './format.ts'
import { cancelLink, yourAccount } from './links.ts'

interface DeletionScheduled {
  publicUrl: string
  token: string
  eraseAfter: Date
  requestedBy: 'owner' | 'administrator'
}

export function deletionScheduled(facts: DeletionScheduled): Mail {
  const { publicUrl, token, eraseAfter, requestedBy } = facts
  const { asked, notYou } = words[requestedBy]
  return compose(`Your account will be erased on ${formatDay(eraseAfter)}`, [
    `${asked} that ${yourAccount(publicUrl)} be deleted.`,
    `It is deactivated now, and all its sessions have ended, on every device. After ${formatDate(eraseAfter)} it will be erased for good: your profile, your saved passwords, your picture and everything else in it.`,
    'If you would rather stay, this link keeps your account as it was. It works until the erasure begins.',
    { label: 'Keep my account', href: cancelLink(publicUrl, token) },
    notYou,
  ])
}

const words = {
  owner: {
    asked: 'You asked',
    notYou:
      'Was it not you? Then someone else may know your password: keep your account with the link above, log in, and choose a new password.',
  },
  administrator: {
    asked: 'An administrator asked',
    notYou:
      'It was not you who asked. If you did not expect this, keep your account with the link above, log in, and ask the administrators why.',
  },
}
