import { Cluster, type Redis } from 'ioredis'
import { connectRedis, type RedisConnection } from './connect-redis.ts'

const COMMAND_TIMEOUT_MS = 3_000

/** What a server reports about itself; what it does not report is absent. */
export interface RedisServer {
  /** Host and port, or the name that the Sentinels use. */
  name: string
  version: string | undefined
  /** What the server does when its memory is full. */
  policy: string | undefined
  appendOnly: boolean | undefined
  /** Set if the server is one of these although the URL names it as a standalone server. */
  misplaced: 'replica' | 'node of a cluster' | undefined
}

/**
 * Inspects the server of the URL, or every node of the cluster, or the master that the Sentinels watch. It uses only
 * `INFO`: managed servers forbid `CONFIG`, and BullMQ needs `INFO` anyway.
 */
export async function inspectRedis(url: string): Promise<RedisServer[]> {
  const connection = connectRedis(url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  try {
    await waitUntilReady(connection)
    return connection instanceof Cluster
      ? await Promise.all(connection.nodes('all').map((node) => inspect(node, true)))
      : [await inspect(connection, false)]
  } finally {
    connection.disconnect()
  }
}

/** Rejects with the server's last error if the connection fails. */
function waitUntilReady(connection: RedisConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = new Error('the connection ended')
    connection.on('error', (error: Error & { lastNodeError?: Error }) => {
      last = error.lastNodeError ?? error
    })
    connection.once('ready', resolve)
    connection.once('end', () => reject(last))
  })
}

async function inspect(server: Redis, inCluster: boolean): Promise<RedisServer> {
  const info = await server.info()
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1]
  const { name, host, port } = server.options
  const aof = fact('aof_enabled')
  return {
    name: name ?? `${host}:${port}`,
    version: fact('redis_version'),
    policy: fact('maxmemory_policy'),
    appendOnly: aof === undefined ? undefined : aof === '1',
    misplaced: inCluster ? undefined : findMisplacement(fact('role'), fact('cluster_enabled')),
  }
}

function findMisplacement(role?: string, clusterEnabled?: string): RedisServer['misplaced'] {
  if (clusterEnabled === '1') return 'node of a cluster'
  return role === 'slave' ? 'replica' : undefined
}
