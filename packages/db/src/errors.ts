const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
// SQLSTATE class 08 (connection), 57P (shutdown, cannot connect now), 53 (out of resources), 57014 (statement timeout).
const sqlStates = /^(08...|57P..|53...|57014)$/

const lostConnection =
  /^(timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|Client was closed)/

/** Whether the database could not be asked at all (or not in time), so that the caller may try again. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  // A socket file that is not there; of any other file it says nothing about the database.
  if (code === 'ENOENT') return syscall === 'connect'
  if (typeof code === 'string') return unreachable.has(code) || sqlStates.test(code)
  // To these node-postgres gives no code.
  return lostConnection.test(error.message)
}

// A lock that was not had in time, a deadlock, a transaction that came too late for its snapshot.
const contended = new Set(['55P03', '40P01', '40001'])

/** Whether somebody else was using the very rows, so that the same may work in a moment. */
export function isContended(error: unknown): boolean {
  return error instanceof Error && contended.has((error as { code?: string }).code ?? '')
}
