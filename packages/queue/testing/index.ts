export { type Certificates, makeCertificates, withCertificates } from '@lethe/dev-env'
export { type RedisCluster, startCluster } from './start-cluster.ts'
export { type RedisProcess, startRedis, waitForReplica, withServers } from './start-redis.ts'
export { type Sentinels, startSentinels } from './start-sentinels.ts'
