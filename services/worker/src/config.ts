import path from 'node:path'
import {
  duration,
  eraseAtOnceFloor,
  eraseAtOnceShare,
  exportDir,
  logLevel,
  oneOf,
  optional,
  port,
  publicUrl,
  requiredUrl,
  secretKey,
  sender,
  validated,
} from '@lethe/config'
import { findRedisUrlFault } from '@lethe/queue'

/** The worker's configuration from its environment. Throws `ConfigError` on an invalid value. */
export function readConfig(env: NodeJS.ProcessEnv) {
  return {
    host: optional(env, 'WORKER_HOST') ?? '127.0.0.1',
    port: port(env, 'WORKER_PORT', 3001),
    databaseUrl: requiredUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: validated(env, 'REDIS_URL', findRedisUrlFault),
    smtpUrl: requiredUrl(env, 'SMTP_URL', ['smtp:', 'smtps:']),
    mailFrom: sender(env, 'MAIL_FROM', 'Lethe <no-reply@localhost>'),
    secretKey: secretKey(env, 'SECRET_KEY'),
    publicUrl: publicUrl(env),
    exportDir: exportDir(env),
    uploadDir: path.resolve(optional(env, 'UPLOAD_DIR') ?? '.data/uploads'),
    exportTtl: duration(env, 'EXPORT_TTL', 'P7D'),
    breakerLimits: {
      floor: eraseAtOnceFloor(env),
      share: eraseAtOnceShare(env),
    },
    rateLimits: oneOf(env, 'RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    production: env.NODE_ENV === 'production',
    logLevel: logLevel(env),
  }
}
