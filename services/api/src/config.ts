import { isIP } from 'node:net'
import path from 'node:path'
import {
  ConfigError,
  duration,
  list,
  logLevel,
  oneOf,
  optional,
  port,
  publicUrl,
  quoted,
  requiredUrl,
  secretKey,
} from '@lethe/config'

export type ApiConfig = ReturnType<typeof readConfig>

/** All that the API takes from its environment; a wrong value is a `ConfigError`. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const base = publicUrl(env)
  return {
    host: optional(env, 'HOST') ?? '127.0.0.1',
    port: port(env, 'PORT', 3000),
    publicUrl: base,
    secure: base.startsWith('https:'),
    production: env.NODE_ENV === 'production',
    databaseUrl: requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:']),
    gracePeriod: duration(env, 'GRACE_PERIOD', 'P27D'),
    reauthenticationWindow: duration(env, 'REAUTHENTICATION_WINDOW', 'PT15M'),
    sessionTtl: duration(env, 'SESSION_TTL', 'P14D'),
    sessionCookieName: readCookieName(env, 'SESSION_COOKIE_NAME', 'neptun-session'),
    secretKey: secretKey(env, 'SECRET_KEY'),
    exportDir: path.resolve(optional(env, 'EXPORT_DIR') ?? '.data/exports'),
    uploadDir: path.resolve(optional(env, 'UPLOAD_DIR') ?? '.data/uploads'),
    allowedOrigins: readOrigins(env, 'ALLOWED_ORIGINS'),
    rateLimits: oneOf(env, 'RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    trustProxy: readProxies(env, 'TRUST_PROXY'),
    logLevel: logLevel(env),
  }
}

/** A token of RFC 9110 §5.6.2, as RFC 6265 wants cookie names to be. */
function readCookieName(env: NodeJS.ProcessEnv, name: string, fallback: string): string {
  const value = optional(env, name) ?? fallback
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(value))
    throw new ConfigError(
      name,
      `is ${quoted(value)}`,
      'a cookie name: letters, digits and - _ . alone',
    )
  return value
}

function readOrigins(env: NodeJS.ProcessEnv, name: string): string[] {
  const origins = list(env, name)
  for (const origin of origins) {
    if (!/^https?:/.test(origin) || URL.parse(origin)?.origin !== origin)
      throw new ConfigError(
        name,
        `has an entry that is no web origin`,
        'origins such as https://app.example, in lower case, without a path or a slash at the end',
      )
  }
  return origins
}

function readProxies(env: NodeJS.ProcessEnv, name: string): string[] {
  const proxies = list(env, name)
  for (const proxy of proxies) {
    const [address = '', bits = '0', ...rest] = proxy.split('/')
    const longest = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
    const isRange = rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= longest
    if (!isRange && !['loopback', 'linklocal', 'uniquelocal'].includes(proxy))
      throw new ConfigError(
        name,
        `has ${quoted(proxy)}`,
        'addresses and ranges such as 10.0.0.1 or 10.0.0.0/8, or loopback, linklocal, uniquelocal',
      )
  }
  return proxies
}
