const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
// Three classes. Nothing works: SQLSTATE class 08 (connection), 57P (shutdown, cannot connect now), 53 (out of resources),
// 25006 (read-only); the caller waits. This statement does not work: 57014 and 53400, below. Try again at once: `isContended`.
const sqlStates = /^(08...|57P..|53...|25006)$/

const lostConnection =
  /^(timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error|Client was closed)/

/** Whether nothing can be asked of the database, or nothing be written, so that the caller may try again later. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  if (exceedsLimit(error)) return false
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  // A socket file that is not there; of any other file it says nothing about the database.
  if (code === 'ENOENT') return syscall === 'connect'
  if (typeof code === 'string') return unreachable.has(code) || sqlStates.test(code)
  // To these node-postgres gives no code.
  return lostConnection.test(error.message)
}

/**
 * Whether this very statement ran into a limit of the server: its time (57014), or the space for its temporary files (53400).
 * Others may work, so a worker sets the one aside and goes on.
 */
export function exceedsLimit(error: unknown): boolean {
  return hasCode(error, limits)
}
const limits = new Set(['57014', '53400'])

// A lock that was not had in time, a deadlock, a transaction that came too late for its snapshot.
const contended = new Set(['55P03', '40P01', '40001'])

/** Whether somebody else was using the very rows, so that the same may work in a moment. */
export function isContended(error: unknown): boolean {
  return hasCode(error, contended)
}

/** Whether PostgreSQL undid a transaction because of another one, so that the same works when it is run again at once. */
export function isSerializationFailure(error: unknown): boolean {
  return hasCode(error, undone)
}
const undone = new Set(['40001', '40P01'])

function hasCode(error: unknown, codes: Set<string>): boolean {
  return error instanceof Error && codes.has((error as { code?: string }).code ?? '')
}
