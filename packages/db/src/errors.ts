const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENOENT',
])
// SQLSTATE class 08 (connection), 57P (shutdown, cannot connect now), 53 (out of resources), 57014 (statement timeout).
const sqlStates = /^(08...|57P..|53...|57014)$/

/** Whether the database could not be asked at all (or not in time), so that the caller may try again. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return unreachable.has(code) || sqlStates.test(code)
  // node-postgres gives these two no code.
  return /^(timeout exceeded when trying to connect|Connection terminated)/.test(error.message)
}
