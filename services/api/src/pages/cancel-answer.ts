import type { Problem } from '../problems.ts'
import { cancelForm } from './cancel-form.ts'
import { outcomes } from './cancel-page.ts'
import type { Page } from './layout.ts'

export const cancelledPage: Page = { title: 'Good to have you back', main: outcomes.cancelled }

/** The answer to a form that cancelled nothing. `email` is what was typed in. */
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
<p>No deletion is waiting for this account, so there is nothing to cancel. Log in as usual.</p>`

const failure = 'This did not work. Check the address and the password, and send the form again.'
const away = 'The service cannot work at the moment. Try again in a minute.'

const notices: Partial<Record<string, (seconds: number) => string>> = {
  'wrong-credentials': () =>
    'The email address and the password do not match an account here. Check both and try again. An account that has been erased cannot come back.',
  'invalid-request': () => 'Enter the email address of your account and its password.',
  'too-many-requests': (seconds) =>
    `There were too many attempts. To protect your account, wait ${waitInWords(seconds)} and try again.`,
  'cross-site': () =>
    'This form came from another website, so we did nothing. Send it again from this page.',
  busy: () => 'Many people are logging in at the moment. Try again in a second.',
  unavailable: () => away,
  internal: () => away,
}

/** Rounded up, so that the next attempt is not too early. */
export function waitInWords(seconds: number): string {
  if (seconds > 90) return `${Math.ceil(seconds / 60)} minutes`
  return seconds === 1 ? '1 second' : `${seconds} seconds`
}
