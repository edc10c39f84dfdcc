import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

const MOST = 1_000_000_000

/** Reads digits only, from zero to a billion. */
export function wholeNumber(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = optional(env, name)
  if (value === undefined) return fallback
  if (!/^\d{1,10}$/.test(value) || Number(value) > MOST)
    throw new ConfigError(name, `is ${quoted(value)}`, `a whole number from 0 to ${MOST}`)
  return Number(value)
}
