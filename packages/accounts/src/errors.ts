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

/** The built-in accounts rejected a call. The API maps each code to a problem; no other code should. */
export class AccountError extends Error {
  override name = 'AccountError'
  readonly code: AccountErrorCode
  /** Facts for the response, such as `eraseAfter`. */
  readonly members: Record<string, unknown>

  constructor(code: AccountErrorCode, members: Record<string, unknown> = {}) {
    super(code)
    this.code = code
    this.members = members
  }
}
