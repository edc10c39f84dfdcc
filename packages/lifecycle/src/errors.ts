export type LifecycleErrorCode =
  | 'deletion-not-pending'
  | 'deletion-not-found'
  | 'export-not-found'
  | 'export-not-ready'
  | 'export-gone'
  | 'too-many-exports'

/** A rule of the lifecycle refused. The API maps each code to a problem; nothing else should. */
export class LifecycleError extends Error {
  override name = 'LifecycleError'
  readonly code: LifecycleErrorCode
  /** Facts that belong in the answer, such as `deletionStatus`. */
  readonly members: Record<string, unknown>

  constructor(code: LifecycleErrorCode, members: Record<string, unknown> = {}) {
    super(code)
    this.code = code
    this.members = members
  }
}
