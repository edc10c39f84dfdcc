import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

/** A cookie name is a token (RFC 6265 §4.1.1, RFC 9110 §5.6.2). */
export function cookieName(env: NodeJS.ProcessEnv, name: string, fallback: string): string {
  const value = optional(env, name) ?? fallback
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(value))
    throw new ConfigError(
      name,
      `is ${quoted(value)}`,
      'a cookie name: letters, digits and - _ . alone',
    )
  return value
}
