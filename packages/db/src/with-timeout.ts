/** Resolves like `promise`, or to `late` once `ms` milliseconds have passed. It does not stop the work behind the promise. */
export async function withTimeout<T, Late>(
  promise: Promise<T>,
  ms: number,
  late: Late,
): Promise<T | Late> {
  const timeout = Promise.withResolvers<Late>()
  const timer = setTimeout(() => timeout.resolve(late), ms)
  try {
    return await Promise.race([promise, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}
