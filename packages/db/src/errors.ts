const unreachableCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
// Three classes of errors. Nothing works: SQLSTATE class 08 (connection), 57P (shutdown, cannot connect now), 53 (out
// of resources), 25006 (read-only); the caller waits. This statement does not work: 57014 and 53400, below. Retry at
// once: `isContended`.
const unavailableSqlStates = /^(08...|57P..|53...|25006)$/

const lostConnectionMessages =
  /^(timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error|Client was closed)/

/** Whether the database cannot be reached or cannot be written to, so that the caller should retry later. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError) return error.errors.some(isUnavailable)
  if (exceedsLimit(error)) return false
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  // The socket file is missing. For any other file, ENOENT says nothing about the database.
  if (code === 'ENOENT') return syscall === 'connect'
  if (typeof code === 'string') return unreachableCodes.has(code) || unavailableSqlStates.test(code)
  // node-postgres gives these errors no code.
  return lostConnectionMessages.test(error.message)
}

/**
 * Whether this statement exceeded a limit of the server: its time (57014), or the space for its temporary files
 * (53400). Other statements may work, so a worker reschedules this one and continues.
 */
export function exceedsLimit(error: unknown): boolean {
  return hasCode(error, limitCodes)
}
const limitCodes = new Set(['57014', '53400'])

// A lock timeout, a deadlock, and a serialization failure.
const contentionCodes = new Set(['55P03', '40P01', '40001'])

/** Whether another transaction was using the same rows, so that a retry may succeed in a moment. */
export function isContended(error: unknown): boolean {
  return hasCode(error, contentionCodes)
}

/** Whether PostgreSQL aborted a transaction because of another one, so that an immediate retry succeeds. */
export function isSerializationFailure(error: unknown): boolean {
  return hasCode(error, serializationCodes)
}
const serializationCodes = new Set(['40001', '40P01'])

function hasCode(error: unknown, codes: Set<string>): boolean {
  return error instanceof Error && codes.has((error as { code?: string }).code ?? '')
}
