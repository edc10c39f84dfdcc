import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type RedisProcess, startRedis as startProcess } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import type { Test } from 'tap'

export type { RedisProcess }

/** The redis-server or valkey-server that `pnpm test` found. */
const program = process.env.REDIS_SERVER_PATH

/** Options for tests that start their own servers. */
export const withServers = program ? {} : { skip: 'no redis-server on this machine' }

type RedisOptions = Pick<Parameters<typeof startProcess>[0], 'port' | 'tls' | 'sentinel'>

/** Starts a server that ends with the test. `settings` are lines of redis.conf. */
export async function startRedis(
  t: Pick<Test, 'teardown'>,
  settings: string[] = [],
  options: RedisOptions = {},
): Promise<RedisProcess> {
  if (!program) throw new Error('REDIS_SERVER_PATH is not set: run the tests with `pnpm test`')
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-redis-'))
  const redis = await startProcess({ program, folder, settings, ...options })
  t.teardown(async () => {
    await redis.kill()
    await rm(folder, { recursive: true })
  })
  return redis
}

/** Waits until the replica has all data of the master. */
export async function waitForReplica(replica: RedisProcess, master: RedisProcess): Promise<void> {
  await until('the replica is in step', async () => {
    const info = String(await master.command('info', 'replication'))
    return info.includes(`port=${replica.port},state=online`)
  })
}
