/** An operation on the folder or bucket failed; the database did not. */
export class UnreachableError extends Error {
  override name = 'UnreachableError'
  readonly code: string

  constructor(cause: unknown) {
    const { code, name } = cause as NodeJS.ErrnoException
    super('the folder cannot be reached', { cause })
    this.code = typeof code === 'string' ? code : name
  }
}

/** Wraps errors of a folder or bucket, so that callers can distinguish them from errors of the database. */
export async function rejectAsUnreachable<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw new UnreachableError(error)
  }
}
