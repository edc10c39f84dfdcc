import path from 'node:path'
import { exportDir, optional, port, url } from '@lethe/config'
import { resolvePort } from './ports.ts'

export type Settings = Awaited<ReturnType<typeof readSettings>>

/** The settings that `start` itself reads; a wrong value is a `ConfigError`. The services read the others. */
export async function readSettings(env: NodeJS.ProcessEnv, dataDir: string) {
  const [api, worker, inbox] = await Promise.all([
    resolvePort({
      variable: 'PORT',
      host: optional(env, 'HOST') ?? '127.0.0.1',
      port: port(env, 'PORT', 3000),
    }),
    resolvePort({
      variable: 'WORKER_PORT',
      host: optional(env, 'WORKER_HOST') ?? '127.0.0.1',
      port: port(env, 'WORKER_PORT', 3001),
    }),
    resolvePort({ variable: 'INBOX_PORT', host: '127.0.0.1', port: port(env, 'INBOX_PORT', 3002) }),
  ])
  return {
    dataDir,
    api,
    worker,
    inbox,
    exportDir: exportDir(env, path.join(dataDir, 'exports')),
    uploadDir: optional(env, 'UPLOAD_DIR') ?? path.join(dataDir, 'uploads'),
    secretKey: optional(env, 'SECRET_KEY'),
    databaseUrl: url(env, 'DATABASE_URL', ['postgres:', 'postgresql:']),
    smtpUrl: url(env, 'SMTP_URL', ['smtp:', 'smtps:']),
    logLevel: optional(env, 'LOG_LEVEL') ?? 'info',
  }
}
