export {
  type Certificates,
  makeCertificates,
  withCertificates,
} from './testing/make-certificates.ts'
export { type RedisCluster, startCluster } from './testing/start-cluster.ts'
export { type RedisProcess, startRedis, whenReplica, withServers } from './testing/start-redis.ts'
export { type Sentinels, startSentinels } from './testing/start-sentinels.ts'
