import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { connect, type Db, migrate } from '@lethe/db'
import { freePort, startPostgres, startServices } from '@lethe/dev-env'
import { type Inbox, startInbox } from '../inbox/index.ts'
import { print } from './print.ts'

export interface DemoEnvironment {
  api: string
  inbox: Inbox
  db: Db
  uploadDir: string
  graceSeconds: number
}

const GRACE_SECONDS = 8

/** Starts all components on free ports. Each started one is in `stops`, even if a later one fails. */
export async function openDemoEnvironment(
  folder: string,
  stops: (() => Promise<void>)[],
): Promise<DemoEnvironment> {
  print('Starting a throw-away PostgreSQL, an inbox, the API and the worker …')
  const postgres = await startPostgres({
    dataDir: path.join(folder, 'postgres'),
    settings: { fsync: 'off' },
  })
  stops.push(postgres.stop)
  const db = connect(postgres.url, { max: 2 })
  stops.push(() => db.destroy())
  await migrate(db)
  const inbox = await startInbox()
  stops.push(inbox.close)

  const [apiPort, workerPort] = [await freePort(), await freePort()]
  const api = `http://127.0.0.1:${apiPort}`
  const uploadDir = path.join(folder, 'uploads')
  await mkdir(uploadDir, { mode: 0o700 })
  const { REDIS_URL } = process.env
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: postgres.url,
    ...(REDIS_URL && { REDIS_URL }),
    SMTP_URL: inbox.smtpUrl,
    SECRET_KEY: randomBytes(32).toString('base64url'),
    PUBLIC_URL: api,
    PORT: String(apiPort),
    WORKER_PORT: String(workerPort),
    EXPORT_DIR: path.join(folder, 'exports'),
    UPLOAD_DIR: uploadDir,
    GRACE_PERIOD: `PT${GRACE_SECONDS}S`,
    LOG_LEVEL: 'warn',
  }
  const services = await startServices([
    { name: 'api', env, url: api },
    { name: 'worker', env, url: `http://127.0.0.1:${workerPort}` },
  ])
  for (const service of services) stops.push(service.stop)
  return { api, inbox, db, uploadDir, graceSeconds: GRACE_SECONDS }
}
