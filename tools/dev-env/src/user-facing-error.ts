/** An error message for the person at the terminal, who can fix the cause. */
export class UserFacingError extends Error {
  override name = 'UserFacingError'
}
