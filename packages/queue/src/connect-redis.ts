import { Cluster, Redis } from 'ioredis'
import { parseRedisUrl } from './redis-url.ts'

/** One server, whichever is the master now, or a cluster: to whoever sends commands they are alike. */
export type RedisConnection = Redis | Cluster

/** In the words of ioredis; in a cluster each holds for every node. */
export interface RedisConnectionOptions {
  commandTimeout?: number
  connectionName?: string
  enableOfflineQueue?: boolean
  maxRetriesPerRequest?: number | null
  socketTimeout?: number
  /** Milliseconds until the next try to connect, or null to give up. */
  retryStrategy: (times: number) => number | null
}

// A host that died swallows whatever is sent to it: the next Sentinel is asked after this.
const REACHED_WITHIN_MS = 3_000

/**
 * Connects to where a REDIS_URL leads, and again after a failover. TLS believes those whom Node.js believes,
 * NODE_EXTRA_CA_CERTS included.
 */
export function connectRedis(url: string, options: RedisConnectionOptions): RedisConnection {
  const { form, tls, hosts, username, password, db, master, ...sentinel } = parseRedisUrl(url)
  const [first] = hosts
  const common = {
    ...options,
    ...{ username, password, connectTimeout: REACHED_WITHIN_MS, reconnectOnError: isReplica },
    ...(tls && { tls: {} }),
  }
  if (form === 'server') return new Redis({ ...common, ...first, db })
  if (form === 'sentinel')
    return new Redis({
      ...{ ...common, ...sentinel, db, sentinels: hosts, name: master },
      sentinelCommandTimeout: REACHED_WITHIN_MS,
      sentinelRetryStrategy: options.retryStrategy,
      ...(tls && { sentinelTLS: {}, enableTLSForSentinelMode: true }),
    })
  return new Cluster(hosts, {
    enableOfflineQueue: options.enableOfflineQueue,
    clusterRetryStrategy: options.retryStrategy,
    // Names stay names, for TLS to hold them against certificates.
    dnsLookup: (host, found) => found(null, host),
    redisOptions: common,
  })
}

/** A master that became a replica while we were connected: the next connection finds the new one. */
function isReplica(error: Error): boolean {
  return error.message.includes('READONLY')
}
