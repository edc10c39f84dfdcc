import { serializeError } from '@lethe/db'
import pino, { type DestinationStream, type Logger } from 'pino'

/** Logs JSON lines. Errors are serialized without text that could identify a person. */
export function createLog(level: string, stream?: DestinationStream): Logger {
  const options = { level, serializers: { err: serializeError } }
  return stream ? pino(options, stream) : pino(options)
}

const THROTTLE_INTERVAL_MS = 10_000

/** Passes on at most one error of each kind per ten seconds, so an outage does not flood the log. */
export function throttleErrors<E>(onError: (error: E) => void): (error: E) => void {
  const lastPassedAt = new Map<string, number>()
  return (error) => {
    const { name, code } = error as { name?: unknown; code?: unknown }
    const kind = `${name} ${code}`
    // A monotonic clock: after the system clock was set back, a wall clock would suppress errors until it caught up.
    const now = performance.now()
    if (now - (lastPassedAt.get(kind) ?? -THROTTLE_INTERVAL_MS) < THROTTLE_INTERVAL_MS) return
    lastPassedAt.set(kind, now)
    onError(error)
  }
}
