import { compose, type Mail } from './compose.ts'
import { yourAccount } from './links.ts'

interface DeletionCancelled {
  publicUrl: string
}

export function deletionCancelled({ publicUrl }: DeletionCancelled): Mail {
  return compose('Your account is active again', [
    `The deletion of ${yourAccount(publicUrl)} has been cancelled. The account is active again, and nothing in it was changed.`,
    'Every session from before stays ended: log in with your password. An archive of your data that was made for the deletion is withdrawn, and its link no longer works.',
    'Was it not you who cancelled? Then someone else may read your mail or know your password: log in, choose a new password, and ask for the deletion again.',
  ])
}
