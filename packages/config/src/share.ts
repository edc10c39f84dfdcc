import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

/** Reads a share, from 0 (none) to 1 (all). */
export function share(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = optional(env, name)
  if (value === undefined) return fallback
  if (!/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/.test(value))
    throw new ConfigError(name, `is ${quoted(value)}`, 'a share from 0 to 1, such as 0.1')
  return Number(value)
}
