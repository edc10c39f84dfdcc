/** What went wrong, in a sentence for the person at the terminal who can put it right. */
export class UserFacingError extends Error {
  override name = 'UserFacingError'
}
