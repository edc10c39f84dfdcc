import type { Certificates } from '@lethe/dev-env'
import { measureSlowness, until } from '@lethe/machine-speed'
import type { Test } from 'tap'
import { type RedisProcess, startRedis, waitForReplica } from './start-redis.ts'

export interface Sentinels {
  url: string
  /** The first master, and its replica. */
  servers: [RedisProcess, RedisProcess]
  sentinels: RedisProcess[]
}

const MASTER = 'lethe'

/**
 * Starts a master, its replica, and three Sentinels of which two must agree. A failover takes about two seconds,
 * longer on a slow machine.
 */
export async function startSentinels(
  t: Pick<Test, 'teardown'>,
  tls?: Certificates,
): Promise<Sentinels> {
  const master = await startRedis(t, [], { tls })
  const replica = await startRedis(t, [`replicaof 127.0.0.1 ${master.port}`], { tls })
  // A Sentinel asks the master for its replicas at once, and then not for ten seconds.
  await waitForReplica(replica, master)
  // A server must not count as down because a busy machine delays it.
  const downAfterMs = Math.round(500 * (await measureSlowness()))
  const sentinels = await Promise.all(
    [1, 2, 3].map(() =>
      startRedis(
        t,
        [
          `sentinel monitor ${MASTER} 127.0.0.1 ${master.port} 2`,
          `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
          `sentinel failover-timeout ${MASTER} ${2 * downAfterMs}`,
        ],
        { tls, sentinel: true },
      ),
    ),
  )
  await until('the Sentinels know each other and the replica', async () => {
    const known = await Promise.all(sentinels.map(peers))
    return known.every((counts) => counts === '2 1')
  })
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join()
  return {
    url: `redis${tls ? 's' : ''}+sentinel://${hosts}/${MASTER}`,
    servers: [master, replica],
    sentinels,
  }
}

async function peers(sentinel: RedisProcess): Promise<string> {
  const facts = (await sentinel.command('sentinel', 'master', MASTER)) as string[]
  const fact = (name: string) => facts[facts.indexOf(name) + 1]
  return `${fact('num-other-sentinels')} ${fact('num-slaves')}`
}
