import { oneOf } from './text.ts'

/** Reads LOG_LEVEL: one of pino's levels. */
export function logLevel(env: NodeJS.ProcessEnv) {
  return oneOf(
    env,
    'LOG_LEVEL',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const,
    'info',
  )
}
