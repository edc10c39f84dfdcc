import { setTimeout as wait } from 'node:timers/promises'
import type { RedisProcess } from '@lethe/dev-env'
import { until } from '@lethe/machine-speed'
import type { Random } from './random.ts'

/** Removes the data of Redis, or a part of it, and resolves when Redis works again. */
type Wipe = (redis: RedisProcess, random: Random) => Promise<void>

/** Every way in which a Redis loses jobs. */
export const wipes = {
  async flushed(redis) {
    await redis.command('flushall')
  },
  async 'killed, back empty'(redis, random) {
    await redis.kill()
    await wait(random.between(0, 800))
    await redis.start()
  },
  async 'out of memory'(redis, random) {
    await redis.command('config', 'set', 'maxmemory', '1')
    await wait(random.between(200, 1_200))
    await redis.command('config', 'set', 'maxmemory', '0')
  },
  async evicting(redis, random) {
    const before = await readInfo(redis, 'evicted_keys')
    await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-random')
    const share = random.between(30, 95) / 100
    await until('a key is evicted', async () => {
      const used = await readInfo(redis, 'used_memory')
      const own = await readInfo(redis, 'used_memory_startup')
      // Connection buffers count too, so the space for keys shrinks until some are evicted.
      const most = Math.round(own + (used - own) * share)
      await redis.command('config', 'set', 'maxmemory', String(most))
      return (await readInfo(redis, 'evicted_keys')) > before
    })
    await wait(random.between(200, 1_200))
    await redis.command('config', 'set', 'maxmemory', '0')
    await redis.command('config', 'set', 'maxmemory-policy', 'noeviction')
  },
} satisfies Record<string, Wipe>

export type WipeName = keyof typeof wipes

/** Counts the waiting and active jobs in BullMQ's lists. */
export async function jobsIn(redis: RedisProcess): Promise<number> {
  const count = `local n = 0
    for _, state in ipairs({'wait', 'active'}) do
      for _, key in ipairs(redis.call('keys', 'bull:*:' .. state)) do n = n + redis.call('llen', key) end
    end
    return n`
  return Number(await redis.command('eval', count, '0'))
}

/** Reads a number from INFO. */
async function readInfo(redis: RedisProcess, name: string): Promise<number> {
  const info = String(await redis.command('info'))
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
}
