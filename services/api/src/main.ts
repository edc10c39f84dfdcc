import { createHasher, dataMap } from '@lethe/accounts'
import { guardFolders, openMarkedFolders, openStorage } from '@lethe/archive'
import { configOrExit, exit } from '@lethe/config'
import { connect } from '@lethe/db'
import { deriveKeys, whyUnusable } from '@lethe/lifecycle'
import { buildApp } from './app.ts'
import { readConfig } from './config.ts'

const LINGER_MS = 1_000

const config = configOrExit(readConfig)
const db = connect(config.databaseUrl, {
  statementTimeout: 10_000,
  // A request gets its 503 within two seconds.
  timeoutMs: 1_500,
  onError: (err) => app.log.warn({ err }, 'database.connection-lost'),
})
const keys = deriveKeys(config.secretKey)
const storage = openStorage(config.exportDir)
const hasher = await createHasher()
const folders = guardFolders({
  db,
  map: dataMap,
  folders: openMarkedFolders(config),
  log: { warn: (facts, text) => app.log.warn(facts, text) },
})
const app = buildApp({ db, keys, hasher, config, storage, folders }, { lingerMs: LINGER_MS })
app.addHook('onClose', () => db.destroy())

for (const event of ['unhandledRejection', 'uncaughtException'] as const)
  process.on(event, (err) => {
    app.log.fatal({ err }, 'process.failed')
    process.exit(1)
  })

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    setTimeout(() => process.exit(0), 9_000).unref()
    void app.close().then(() => process.exit(0))
  })

// /readyz reports a database that is unreachable or not migrated. An unusable one ends the process.
const unusable = await whyUnusable(db, keys)
if (unusable) exit(unusable)
const foreignFolder = await folders.start()
if (foreignFolder) exit(foreignFolder)
if (config.production && !config.secure)
  app.log.warn(
    'PUBLIC_URL begins with http: cookies are sent unprotected unless a proxy in front terminates TLS',
  )
try {
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  const { code } = error as NodeJS.ErrnoException
  exit(`cannot listen on HOST ${config.host}, PORT ${config.port}: ${code}`)
}
