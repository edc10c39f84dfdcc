import { RuleError } from '@lethe/lifecycle'

export type AccountErrorCode =
  | 'unauthenticated'
  | 'wrong-credentials'
  | 'account-pending-deletion'
  | 'address-taken'
  | 'not-authorized'
  | 'user-not-found'
  | 'reauthentication-required'
  | 'wrong-password'
  | 'session-not-found'
  | 'saved-password-not-found'
  | 'too-many-saved-passwords'
  | 'avatar-not-found'
  | 'busy'

/** A rule of the built-in accounts refused the request. */
export class AccountError extends RuleError<AccountErrorCode> {
  override name = 'AccountError'
}
