import { oneOf } from './text.ts'

/** LOG_LEVEL: those of pino. */
export function logLevel(env: NodeJS.ProcessEnv) {
  return oneOf(
    env,
    'LOG_LEVEL',
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const,
    'info',
  )
}
