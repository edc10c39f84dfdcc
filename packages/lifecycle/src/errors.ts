export type LifecycleErrorCode =
  | 'deletion-not-pending'
  | 'deletion-not-found'
  | 'export-not-found'
  | 'export-not-ready'
  | 'export-gone'
  | 'too-many-exports'

/** The lifecycle rejected a call. The API maps each code to a problem; no other code should. */
export class LifecycleError extends Error {
  override name = 'LifecycleError'
  readonly code: LifecycleErrorCode
  /** Facts for the response, such as `deletionStatus`. */
  readonly members: Record<string, unknown>

  constructor(code: LifecycleErrorCode, members: Record<string, unknown> = {}) {
    super(code)
    this.code = code
    this.members = members
  }
}
