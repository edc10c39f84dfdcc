export { inspectRedis, type RedisServer } from './inspect-redis.ts'
export { type Handlers, type JobName, jobNames, jobs, type Payload } from './jobs.ts'
export {
  giveBack,
  hasFree,
  keep,
  LeaseLost,
  lendEach,
  lendTogether,
  type Taken,
  take,
  takeEach,
  whileLeased,
} from './lease.ts'
export { type FailedJob, type OpenQueue, openQueue } from './queue.ts'
export { redisUrlFault } from './redis-url.ts'
export type { OpenWorker } from './run-jobs.ts'
