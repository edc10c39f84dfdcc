import path from 'node:path'
import {
  findExecutable,
  findFaketime,
  findRedisServer,
  findSwift,
  makeHostileTemplate,
  makeTemplate,
  startPostgres,
  startRedis,
} from '@lethe/dev-env'

export interface TestServers {
  /** Environment variables for the tests. */
  env: Record<string, string>
  /** What this machine lacks, one sentence each. */
  missing: string[]
}

type Stop = () => Promise<void>
type Environment = Record<string, string | undefined>

/** A throw-away database needs no durability. */
const throwAwaySettings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // For tests that must know which of two transactions committed first.
  track_commit_timestamp: 'on',
  max_connections: '300',
  shared_buffers: '256MB',
}

/**
 * Finds or starts the servers that the tests use; `hostile` selects the hostile database (`hostile-database.ts`). Each
 * started server is in `stops`, even if a later one fails.
 */
export async function startTestServers(
  given: Environment,
  folder: string,
  stops: Stop[],
  { hostile = false } = {},
): Promise<TestServers> {
  const database = given.TEST_DATABASE_URL ?? (await startDatabase(folder, stops))
  const databases = hostile ? await makeHostileEnv(database) : await makeOrdinaryEnv(database)
  const redisServer = await findRedisServer(given.PATH)
  const redis =
    given.REDIS_URL ?? (redisServer && (await startTestRedis(redisServer, folder, stops)))
  const openssl = await findExecutable(['openssl'], given.PATH)
  const pgbouncer = await findExecutable(['pgbouncer'], `/usr/sbin${path.delimiter}${given.PATH}`)
  const chromium = await findChromium(given.PATH)
  const faketime = await findFaketime()
  const swift = await findSwift()
  return {
    env: {
      ...databases,
      ...(redis && { TEST_REDIS_URL: redis }),
      ...(redisServer && { REDIS_SERVER_PATH: redisServer }),
      ...(openssl && { OPENSSL_PATH: openssl }),
      ...(pgbouncer && { PGBOUNCER_PATH: pgbouncer }),
      ...(chromium && { CHROMIUM_PATH: chromium }),
      ...(swift && { SWIFT_PYTHON_PATH: swift }),
    },
    missing: [
      ...(redis ? [] : [withoutRedis]),
      ...(redisServer ? [] : [withoutRedisServer]),
      ...(openssl ? [] : [withoutOpenssl]),
      ...(pgbouncer ? [] : [withoutPgbouncer]),
      ...(chromium ? [] : [withoutChromium]),
      ...(faketime ? [] : [withoutFaketime]),
      ...(swift ? [] : [withoutSwift]),
    ],
  }
}

const withoutRedis =
  'Skipped the tests of the queue on Redis: REDIS_URL is not set, and there is no redis-server or valkey-server on PATH.'
const withoutRedisServer =
  'Skipped the tests of users, TLS and failovers of Redis: there is no redis-server or valkey-server on PATH.'
const withoutOpenssl =
  'Skipped the tests of TLS to Redis and PostgreSQL: there is no openssl on PATH to make certificates.'
const withoutPgbouncer = 'Skipped the tests of connection poolers: there is no pgbouncer on PATH.'
const withoutChromium =
  'Skipped the tests of the pages in a browser: there is no chromium or google-chrome on PATH.'
const withoutFaketime =
  'No service runs with a wrong clock: there is no libfaketime under /usr/lib (the package faketime).'
const withoutSwift =
  'Skipped the tests of archives on S3: there is no OpenStack Swift under /usr/lib (the package python3-swift).'

async function makeOrdinaryEnv(server: string): Promise<Record<string, string>> {
  await makeTemplate(server)
  return { TEST_DATABASE_URL: server }
}

async function makeHostileEnv(server: string): Promise<Record<string, string>> {
  return { TEST_DATABASE_URL: await makeHostileTemplate(server), TEST_ADMIN_URL: server }
}

async function startDatabase(folder: string, stops: Stop[]): Promise<string> {
  const postgres = await startPostgres({
    dataDir: path.join(folder, 'postgres'),
    settings: throwAwaySettings,
  })
  stops.push(postgres.stop)
  return postgres.url
}

async function startTestRedis(program: string, folder: string, stops: Stop[]): Promise<string> {
  const redis = await startRedis({ program, folder, detached: true })
  stops.push(redis.stop)
  return redis.url
}

function findChromium(searchPath = ''): Promise<string | undefined> {
  return findExecutable(
    ['chromium', 'google-chrome', 'chromium-browser'],
    `/usr/bin${path.delimiter}${searchPath}`,
  )
}
