import { Cluster, Redis } from 'ioredis'
import { parseRedisUrl } from './redis-url.ts'

/** A single server, the current master of Sentinels, or a cluster: all accept commands in the same way. */
export type RedisConnection = Redis | Cluster

/** Options of ioredis; in a cluster each applies to every node. */
export interface RedisConnectionOptions {
  commandTimeout?: number
  connectionName?: string
  enableOfflineQueue?: boolean
  maxRetriesPerRequest?: number | null
  socketTimeout?: number
  /** Milliseconds until the next connection attempt, or null to give up. */
  retryStrategy: (times: number) => number | null
}

// A dead host answers nothing: after this time the client asks the next Sentinel.
const CONNECT_TIMEOUT_MS = 3_000

/**
 * Connects to the server of a REDIS_URL, and reconnects after a failover. TLS trusts the same authorities as Node.js,
 * NODE_EXTRA_CA_CERTS included.
 */
export function connectRedis(url: string, options: RedisConnectionOptions): RedisConnection {
  const { form, tls, hosts, username, password, db, master, ...sentinel } = parseRedisUrl(url)
  const [first] = hosts
  const common = {
    ...options,
    username,
    password,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectOnError: isReplica,
    ...(tls && { tls: {} }),
  }
  if (form === 'server') return new Redis({ ...common, ...first, db })
  if (form === 'sentinel')
    return new Redis({
      ...common,
      ...sentinel,
      db,
      sentinels: hosts,
      name: master,
      sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
      sentinelRetryStrategy: options.retryStrategy,
      ...(tls && { sentinelTLS: {}, enableTLSForSentinelMode: true }),
    })
  return new Cluster(hosts, {
    enableOfflineQueue: options.enableOfflineQueue,
    clusterRetryStrategy: options.retryStrategy,
    // Keeps host names unresolved, so that TLS can compare them with certificates.
    dnsLookup: (host, found) => found(null, host),
    redisOptions: common,
  })
}

/** A master that became a replica after we connected: the next connection finds the new master. */
function isReplica(error: Error): boolean {
  return error.message.includes('READONLY')
}
