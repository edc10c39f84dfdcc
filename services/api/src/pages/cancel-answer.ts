import type { Problem } from '../problems.ts'
import { cancelForm } from './cancel-form.ts'
import { outcomes } from './cancel-page.ts'
import type { Page } from './layout.ts'

export const cancelledPage: Page = { title: 'Good to have you back', main: outcomes.cancelled }

/** The page for a form that cancelled nothing. `email` is what the person typed. */
export function refusedPage({ code, body, headers }: Problem, email: string): Page {
  if (code === 'deletion-not-pending')
    return body.deletionStatus === 'erasing'
      ? { title: 'Your account is being erased', main: outcomes.erasing }
      : { title: 'Your account is active', main: nothingPending }
  const notice = notices[code]?.(Number(headers['retry-after'])) ?? failure
  return {
    title: 'Your account was not changed',
    main: `<h1>Your account was not changed</h1>\n${cancelForm({ id: 'cancel', email, notice })}`,
  }
}

const nothingPending = `<h1>Your account is active</h1>
<p>No deletion is waiting for this account, so there is nothing to cancel. You can log in as usual.</p>`

const failure =
  'That did not work. Check the email address and the password, and send the form again.'
const unavailable =
  'The service is not available right now, and your account was not changed. Try again in a minute.'

const notices: Partial<Record<string, (seconds: number) => string>> = {
  'wrong-credentials': () =>
    'The email address and the password do not match an account here. Check both and try again. An account that has been erased cannot come back.',
  'invalid-request': () => 'Enter the email address of your account and its password.',
  'too-many-requests': (seconds) =>
    `There were too many attempts. To protect your account, wait ${formatWait(seconds)} and try again.`,
  'cross-site': () =>
    'This form came from another website, so we did nothing. Send it again from this page.',
  busy: () => 'Many people are logging in right now. Try again in a second.',
  unavailable: () => unavailable,
  internal: () => unavailable,
}

/** Rounds up, so that the next attempt is not too early. */
export function formatWait(seconds: number): string {
  if (seconds > 90) return `${Math.ceil(seconds / 60)} minutes`
  return seconds === 1 ? '1 second' : `${seconds} seconds`
}
