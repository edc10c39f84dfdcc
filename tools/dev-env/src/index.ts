/**
 * The servers and services that `pnpm start`, the tests, chaos and the benchmarks start, on free ports and in their own
 * folders.
 */
export { findFaketime } from './faketime.ts'
export { findExecutable } from './find-executable.ts'
export { freePort, isPortFree } from './free-port.ts'
export { makeFolder } from './init-database.ts'
export { isAlive } from './is-alive.ts'
export { type Certificates, makeCertificates, withCertificates } from './make-certificates.ts'
export { type Postgres, startPostgres } from './postgres.ts'
export { findRedisServer, type RedisProcess, startRedis } from './redis.ts'
export { type Service, type ServiceOptions, serviceNames, startServices } from './services.ts'
export { findSwift } from './swift.ts'
export { makeHostileTemplate, makeTemplate } from './test-database.ts'
export { compileCache, makeTestFolder } from './test-folder.ts'
export { UserFacingError } from './user-facing-error.ts'
