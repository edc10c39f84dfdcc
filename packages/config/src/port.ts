import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

/** With port 0 the system picks a free port. */
export function port(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = optional(env, name)
  if (value === undefined) return fallback
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535)
    throw new ConfigError(name, `is ${quoted(value)}`, 'a port number from 0 to 65535')
  return Number(value)
}
