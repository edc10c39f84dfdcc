export { type Handlers, type JobName, jobNames, jobs, type Payload } from './jobs.ts'
export {
  giveBack,
  keep,
  type LeasedTable,
  LeaseLost,
  lendEach,
  lendTogether,
  type Taken,
  take,
  whileLeased,
} from './lease.ts'
export {
  type FailedJob,
  type OpenQueue,
  openQueue,
  type QueueCounts,
  type QueueSettings,
} from './queue.ts'
export type { OpenWorker } from './run-jobs.ts'
