export type LifecycleErrorCode =
  | 'deletion-not-pending'
  | 'deletion-not-found'
  | 'export-not-found'
  | 'export-not-ready'
  | 'export-gone'
  | 'too-many-exports'

/** A rule refused the request. The API turns each code into a problem; no other code should. */
export class RuleError<Code extends string> extends Error {
  readonly code: Code
  /** Facts for the response, such as `deletionStatus`. */
  readonly members: Record<string, unknown>

  constructor(code: Code, members: Record<string, unknown> = {}) {
    super(code)
    this.code = code
    this.members = members
  }
}

/** A rule of the lifecycle refused the request. */
export class LifecycleError extends RuleError<LifecycleErrorCode> {
  override name = 'LifecycleError'
}
