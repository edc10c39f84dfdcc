const CHECK_TIMEOUT_MS = 5_000

/** Resolves to the result of `work`, or rejects with the code ETIMEDOUT after five seconds. */
export async function withTimeout<T>(work: T | Promise<T>): Promise<T> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    timeout.reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
  }, CHECK_TIMEOUT_MS)
  try {
    return await Promise.race([work, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}
