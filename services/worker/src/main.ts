import { dataMap, purgeExpiredSessions } from '@lethe/accounts'
import { guardFolders, openMarkedFolders, openStorage } from '@lethe/archive'
import { configOrExit, exit } from '@lethe/config'
import { connect, openSnapshotPool } from '@lethe/db'
import { deriveKeys, whyUnusable } from '@lethe/lifecycle'
import { readConfig } from './config.ts'
import { createLog, throttleErrors } from './logging.ts'
import { openMailer } from './mailer.ts'
import { MAX_CONCURRENT_EXPORT_JOBS, MAX_DATABASE_CONNECTIONS, startWorker } from './worker.ts'

const EXIT_TIMEOUT_MS = 9_900

const config = configOrExit(readConfig)
const log = createLog(config.logLevel)
const keys = deriveKeys(config.secretKey)
const connecting = {
  // Running jobs can wait while the database stalls, but for less than the ten seconds of a lease.
  timeoutMs: 5_000,
  onError: throttleErrors((err) => log.warn({ err }, 'database.connection-lost')),
}
const db = connect(config.databaseUrl, { max: MAX_DATABASE_CONNECTIONS, ...connecting })
const snapshotPool = openSnapshotPool(config.databaseUrl, {
  max: MAX_CONCURRENT_EXPORT_JOBS,
  ...connecting,
})

for (const event of ['unhandledRejection', 'uncaughtException'] as const)
  process.on(event, (err) => {
    log.fatal({ err }, 'process.failed')
    process.exit(1)
  })

// /readyz reports a database that is unreachable or not migrated. An unusable one ends the process.
const unusable = await whyUnusable(db, keys)
if (unusable) exit(unusable)
if (config.production && !config.publicUrl.startsWith('https:'))
  log.warn('PUBLIC_URL begins with http: links travel unencrypted unless a proxy terminates TLS')
if (config.production && config.smtpUrl.startsWith('smtp:'))
  log.warn('SMTP_URL begins with smtp: mails travel unencrypted if the server offers no STARTTLS')

const folders = guardFolders({ db, map: dataMap, folders: openMarkedFolders(config), log })
const foreignFolder = await folders.start()
if (foreignFolder) exit(foreignFolder)

const { publicUrl, uploadDir, exportTtl, breakerLimits, rateLimits } = config
const mailer = openMailer(config.smtpUrl, config.mailFrom, publicUrl)
const worker = await startWorker(
  {
    db,
    snapshotPool,
    keys,
    log,
    mailer,
    publicUrl,
    storage: openStorage(config.exportDir),
    folders,
    uploadDir,
    dataMap,
    exportTtl: exportTtl.iso,
    breakerLimits,
    purgeExpiredSessions,
    rateLimits,
  },
  { ...config, refuse: exit },
).catch(({ code }: NodeJS.ErrnoException) =>
  exit(`cannot listen on WORKER_HOST ${config.host}, WORKER_PORT ${config.port}: ${code}`),
)

let closing = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (closing) return
    closing = true
    setTimeout(() => process.exit(0), EXIT_TIMEOUT_MS).unref()
    void close().then(() => process.exit(0))
  })

async function close(): Promise<void> {
  await worker.close()
  mailer.close()
  await Promise.all([snapshotPool.end(), db.destroy()])
}
