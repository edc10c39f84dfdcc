import { serializeError } from '@lethe/db'
import pino, { type DestinationStream, type Logger } from 'pino'

/** JSON lines that tell what happened and never to whom. */
export function createLog(level: string, stream?: DestinationStream): Logger {
  const options = { level, serializers: { err: serializeError } }
  return stream ? pino(options, stream) : pino(options)
}

const THROTTLE_INTERVAL_MS = 10_000

/** Hands on the first error of each kind, then none of that kind for ten seconds: an outage is not a flood of lines. */
export function throttleErrors<E>(onError: (error: E) => void): (error: E) => void {
  const told = new Map<string, number>()
  return (error) => {
    const { name, code } = error as { name?: unknown; code?: unknown }
    const kind = `${name} ${code}`
    // Not the time of day: set back by an operator, it would silence us until it is that late again.
    const now = performance.now()
    if (now - (told.get(kind) ?? -THROTTLE_INTERVAL_MS) < THROTTLE_INTERVAL_MS) return
    told.set(kind, now)
    onError(error)
  }
}
