import { dataMap, purgeExpiredSessions } from '@lethe/accounts'
import { guardFolders, openMarkedFolders, openStorage } from '@lethe/archive'
import { configOrExit, exit } from '@lethe/config'
import { asUnusable, connect, openSnapshotPool } from '@lethe/db'
import { adoptSecretKey, deriveKeys, foreignSecretKey } from '@lethe/lifecycle'
import { readConfig } from './config.ts'
import { createLog, throttleErrors } from './logging.ts'
import { openMailer } from './mailer.ts'
import { databaseConnections, exportJobsAtOnce, startWorker } from './worker.ts'

const EXIT_WITHIN_MS = 9_900

const config = configOrExit(readConfig)
const log = createLog(config.logLevel)
const keys = deriveKeys(config.secretKey)
const connecting = {
  // Work that is under way can wait for a database that stalls; a lease lasts for ten seconds.
  patience: 5_000,
  onError: throttleErrors((err) => log.warn({ err }, 'database.connection-lost')),
}
const db = connect(config.databaseUrl, { max: databaseConnections, ...connecting })
const readers = openSnapshotPool(config.databaseUrl, { max: exportJobsAtOnce, ...connecting })

for (const event of ['unhandledRejection', 'uncaughtException'] as const)
  process.on(event, (err) => {
    log.fatal({ err }, 'process.failed')
    process.exit(1)
  })

// An unreachable or empty database is for /readyz to tell; one that cannot be worked with ends the process.
const adopted = await adoptSecretKey(db, keys).catch((error) => {
  const unusable = asUnusable(error)
  if (unusable) exit(unusable.message)
})
if (adopted === false) exit(foreignSecretKey)
if (config.production && !config.publicUrl.startsWith('https:'))
  log.warn('PUBLIC_URL begins with http: links travel unprotected unless TLS ends in front')
if (config.production && config.smtpUrl.startsWith('smtp:'))
  log.warn(
    'SMTP_URL begins with smtp: mails travel unprotected where the server offers no STARTTLS',
  )

const folders = guardFolders({ db, map: dataMap, folders: openMarkedFolders(config), log })
const foreignFolder = await folders.start()
if (foreignFolder) exit(foreignFolder)

const { publicUrl, uploadDir, exportTtl, breakerLimits, rateLimits } = config
const mailer = openMailer(config.smtpUrl, config.mailFrom, publicUrl)
const worker = await startWorker(
  {
    ...{ db, readers, keys, log, mailer, publicUrl, uploadDir, breakerLimits, rateLimits },
    ...{ dataMap, exportTtl: exportTtl.iso, storage: openStorage(config.exportDir), folders },
    purgeExpiredSessions,
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
    setTimeout(() => process.exit(0), EXIT_WITHIN_MS).unref()
    void close().then(() => process.exit(0))
  })

async function close(): Promise<void> {
  await worker.close()
  mailer.close()
  await Promise.all([readers.end(), db.destroy()])
}
