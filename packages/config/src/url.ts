import { ConfigError, quoted } from './error.ts'
import { optional } from './text.ts'

/** Reads a URL with one of these `protocols`, such as `['postgres:', 'postgresql:']`, and returns it as written. */
export function url(
  env: NodeJS.ProcessEnv,
  name: string,
  protocols: readonly string[],
): string | undefined {
  const value = optional(env, name)
  if (value === undefined) return undefined
  const protocol = readProtocol(value)
  if (protocol === undefined) throw new ConfigError(name, 'is not a URL', takes(protocols))
  if (!protocols.includes(protocol))
    throw new ConfigError(name, `begins with ${quoted(protocol)}`, takes(protocols))
  return value
}

export function requiredUrl(
  env: NodeJS.ProcessEnv,
  name: string,
  protocols: readonly string[],
): string {
  const value = url(env, name, protocols)
  if (value === undefined) throw new ConfigError(name, 'is not set', takes(protocols))
  return value
}

/** Errors show only the protocol: a user name, a path or a query may contain a password. */
function readProtocol(value: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value) || /\s/.test(value)) return undefined
  return URL.parse(value)?.protocol
}

function takes(protocols: readonly string[]): string {
  return `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`
}
