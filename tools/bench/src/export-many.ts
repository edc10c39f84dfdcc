import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { findRedisServer, freePort, startRedis, startServices } from '@lethe/dev-env'
import { deriveKeys, exportToken, tokenHash } from '@lethe/lifecycle'
import { until } from '@lethe/machine-speed'
import { startInbox } from '@lethe/standalone/inbox'
import { sql } from 'kysely'
import { type BenchEnvironment, makePeople } from './bench-environment.ts'

const PEOPLE = 5_000
const TIMEOUT_MS = 600_000

/**
 * `PEOPLE` people with ten saved passwords each request an archive at the same moment. Measures the time until the last
 * archive is ready, and until the last mail about it has left, with one worker as in production; first with the queue
 * on Redis, then on PostgreSQL.
 */
export async function exportMany(environment: BenchEnvironment): Promise<void> {
  const program = await findRedisServer()
  if (!program) throw new Error('there is no redis-server or valkey-server on PATH')
  const secret = randomBytes(32)
  const redis = await startRedis({ program, folder: environment.folder, detached: true })
  try {
    console.log(
      `queue on Redis:      ${await exportAll(environment, secret, { REDIS_URL: redis.url })}`,
    )
  } finally {
    await redis.stop()
  }
  console.log(`queue on PostgreSQL: ${await exportAll(environment, secret, {})}`)
}

async function exportAll(
  { db, databaseUrl, folder }: BenchEnvironment,
  secret: Buffer,
  queue: { REDIS_URL?: string },
): Promise<string> {
  const ids = await makePeople(db, PEOPLE, 10)
  const inbox = await startInbox()
  const workerPort = await freePort()
  const [worker] = await startServices([
    {
      name: 'worker',
      url: `http://127.0.0.1:${workerPort}`,
      env: {
        PATH: process.env.PATH ?? '',
        DATABASE_URL: databaseUrl,
        SECRET_KEY: secret.toString('base64url'),
        SMTP_URL: inbox.smtpUrl,
        UPLOAD_DIR: path.join(folder, 'uploads'),
        EXPORT_DIR: path.join(folder, 'exports'),
        WORKER_PORT: String(workerPort),
        LOG_LEVEL: 'warn',
        ...queue,
      },
    },
  ])
  try {
    const asked = askAll(ids, secret)
    const before = await count('exports', 'ready')
    const began = performance.now()
    await sql`
      insert into public.exports (user_id, token_nonce, token_hash)
      select * from unnest(${asked.ids}::bigint[], ${asked.nonces}::bytea[], ${asked.hashes}::bytea[])`.execute(
      db,
    )
    const perSecond = () => (PEOPLE / ((performance.now() - began) / 1_000)).toFixed(0)
    await until('every export', async () => (await count('exports', 'pending')) === 0, TIMEOUT_MS)
    const made = perSecond()
    const ready = (await count('exports', 'ready')) - before
    if (ready < PEOPLE) throw new Error(`${ready} of ${PEOPLE} were made`)
    await until('every mail', async () => (await count('outbox', 'pending')) === 0, TIMEOUT_MS)
    return `${PEOPLE} exports of ten rows, ${made} a second; mailed, too, ${perSecond()} a second`
  } finally {
    await worker?.stop()
    await inbox.close()
  }

  async function count(table: 'exports' | 'outbox', status: string): Promise<number> {
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from ${sql.table(`public.${table}`)} where status = ${status}`.execute(
      db,
    )
    return rows[0]?.n ?? 0
  }
}

function askAll(ids: number[], secret: Buffer) {
  const keys = deriveKeys(secret)
  const nonces = ids.map(() => randomBytes(32))
  return { ids, nonces, hashes: nonces.map((nonce) => tokenHash(exportToken(keys, nonce))) }
}
