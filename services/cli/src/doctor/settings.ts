import path from 'node:path'
import {
  ConfigError,
  cookieName,
  duration,
  eraseAtOnceFloor,
  eraseAtOnceShare,
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
  sender,
  validated,
} from '@lethe/config'
import { describeLimits } from '@lethe/lifecycle'
import { findRedisUrlFault } from '@lethe/queue'
import { type Finding, ok, wrong } from './finding.ts'

type Env = NodeJS.ProcessEnv

/** The settings of the API and the worker. Each is read separately, so that one wrong value does not hide another. */
const readers = {
  publicUrl,
  databaseUrl: (env: Env) => requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:']),
  redisUrl: (env: Env) => validated(env, 'REDIS_URL', findRedisUrlFault),
  smtpUrl: (env: Env) => requiredUrl(env, 'SMTP_URL', ['smtp:', 'smtps:']),
  mailFrom: (env: Env) => sender(env, 'MAIL_FROM', 'Lethe <no-reply@localhost>'),
  secretKey: (env: Env) => secretKey(env, 'SECRET_KEY'),
  gracePeriod: (env: Env) => duration(env, 'GRACE_PERIOD', 'P27D'),
  reauthenticationWindow: (env: Env) => duration(env, 'REAUTHENTICATION_WINDOW', 'PT15M'),
  sessionTtl: (env: Env) => duration(env, 'SESSION_TTL', 'P14D'),
  sessionCookieName: (env: Env) => cookieName(env, 'SESSION_COOKIE_NAME', 'neptun-session'),
  exportDir: (env: Env) => exportDir(env),
  uploadDir: (env: Env) => path.resolve(optional(env, 'UPLOAD_DIR') ?? '.data/uploads'),
  exportTtl: (env: Env) => duration(env, 'EXPORT_TTL', 'P7D'),
  port: (env: Env) => port(env, 'PORT', 3000),
  workerPort: (env: Env) => port(env, 'WORKER_PORT', 3001),
  allowedOrigins: (env: Env) => origins(env, 'ALLOWED_ORIGINS'),
  trustProxy: (env: Env) => proxies(env, 'TRUST_PROXY'),
  eraseAtOnceFloor,
  eraseAtOnceShare,
  rateLimits: (env: Env) => oneOf(env, 'RATE_LIMITS', ['on', 'off'], 'on'),
  production: (env: Env) => env.NODE_ENV === 'production',
  logLevel,
}

export type Settings = {
  [Name in keyof typeof readers]: ReturnType<(typeof readers)[Name]>
}

/** Returns the settings that can be read, and a finding for each that cannot. */
export function readSettings(env: Env): { settings: Partial<Settings>; findings: Finding[] } {
  const settings: Record<string, unknown> = {}
  // PUBLIC_URL defaults to PORT, so a wrong PORT fails twice: report it once.
  const messages = new Set<string>()
  for (const [name, read] of Object.entries(readers))
    try {
      settings[name] = read(env)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      messages.add(error.message)
    }
  const findings = [...messages].map((message) =>
    wrong(message, `set ${message.split(' ')[0]} for the API, the worker and this command alike`),
  )
  if (findings.length === 0) findings.push(ok('every setting can be read'))
  const { eraseAtOnceFloor: floor, eraseAtOnceShare: share } = settings as Partial<Settings>
  if (floor !== undefined && share !== undefined)
    findings.push(ok(describeLimits({ floor, share })))
  return { settings, findings }
}
