const WITHIN_MS = 5_000

/** What `work` comes to, or an error with the code ETIMEDOUT after five seconds. */
export async function inTime<T>(work: T | Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
  }, WITHIN_MS)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
