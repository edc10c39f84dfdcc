import { startRedis } from '@lethe/queue/testing'
import type { Test } from 'tap'

export { freePort } from '@lethe/dev-env'
export { withServers as withRedis } from '@lethe/queue/testing'

/** Starts a Redis that is configured as the documentation says, except for `settings`; returns its port. */
export async function redisServer(
  t: Pick<Test, 'teardown'>,
  settings: Record<string, string> = {},
  { sentinel = false } = {},
): Promise<number> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  const redis = await startRedis(t, sentinel ? lines : ['appendonly yes', ...lines], { sentinel })
  return redis.port
}
