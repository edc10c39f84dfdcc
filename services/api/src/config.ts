import path from 'node:path'
import {
  cookieName,
  duration,
  exportDir,
  logLevel,
  oneOf,
  optional,
  origins,
  port,
  proxies,
  publicUrl,
  requiredUrl,
  secretKey,
} from '@lethe/config'

export type ApiConfig = ReturnType<typeof readConfig>

/** Reads the API's settings from the environment. Throws `ConfigError` for a wrong value. */
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
    sessionCookieName: cookieName(env, 'SESSION_COOKIE_NAME', 'neptun-session'),
    secretKey: secretKey(env, 'SECRET_KEY'),
    exportDir: exportDir(env),
    uploadDir: path.resolve(optional(env, 'UPLOAD_DIR') ?? '.data/uploads'),
    allowedOrigins: origins(env, 'ALLOWED_ORIGINS'),
    rateLimits: oneOf(env, 'RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    trustProxy: proxies(env, 'TRUST_PROXY'),
    logLevel: logLevel(env),
  }
}
