import { isIP } from 'node:net'
import { ConfigError, quoted } from './error.ts'
import { splitList } from './text.ts'

/** Reads addresses, ranges and the names that Fastify's `trustProxy` accepts. */
export function proxies(env: NodeJS.ProcessEnv, name: string): string[] {
  const entries = splitList(env, name)
  for (const entry of entries) {
    const [address = '', bits = '0', ...rest] = entry.split('/')
    const longest = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
    const isRange = rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= longest
    if (!isRange && !['loopback', 'linklocal', 'uniquelocal'].includes(entry))
      throw new ConfigError(
        name,
        `has ${quoted(entry)}`,
        'addresses and ranges such as 10.0.0.1 or 10.0.0.0/8, or loopback, linklocal, uniquelocal',
      )
  }
  return entries
}
