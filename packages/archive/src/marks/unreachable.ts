/** The folder or the bucket failed, and not the database. */
export class UnreachableError extends Error {
  override name = 'UnreachableError'
  readonly code: string

  constructor(cause: unknown) {
    const { code, name } = cause as NodeJS.ErrnoException
    super('the folder cannot be reached', { cause })
    this.code = typeof code === 'string' ? code : name
  }
}

/** Tells what a folder or a bucket fails with from what the database fails with. */
export async function reach<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw new UnreachableError(error)
  }
}
