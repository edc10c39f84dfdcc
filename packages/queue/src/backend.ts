import type { Job, Queue, QueueOptions, Worker, WorkerOptions } from 'bullmq'

/** The members of a BullMQ queue that Lethe uses, on either backend. */
export type JobQueue = Reports &
  Pick<Queue, 'addBulk' | 'close' | 'getFailed' | 'getJobCounts' | 'waitUntilReady'>
export type JobWorker = Reports &
  Pick<Worker, 'close'> & {
    /** Stops renewing the locks of its jobs, because that timer would keep the process alive. */
    stopRenewing(): Promise<void>
  }
interface Reports {
  on(event: 'error', listener: (error: Error) => void): unknown
}
export type RunJob = (job: Pick<Job, 'name' | 'data'>) => Promise<void>

/** Where BullMQ stores its jobs. */
export interface Backend {
  /** Throws if the server is known to be unreachable. */
  queue(name: string, options: Omit<QueueOptions, 'connection'>): JobQueue
  worker(name: string, run: RunJob, options: Omit<WorkerOptions, 'connection'>): Promise<JobWorker>
  /** Ends the connections, even while they are in use. */
  close(): Promise<void>
}
