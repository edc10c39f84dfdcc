import type { Job, Queue, QueueOptions, Worker, WorkerOptions } from 'bullmq'

/** What is used of a BullMQ queue, wherever it lives. */
export type JobQueue = Reports &
  Pick<Queue, 'addBulk' | 'close' | 'getFailed' | 'getJobCounts' | 'waitUntilReady'>
export type JobWorker = Reports &
  Pick<Worker, 'close'> & {
    /** Stops renewing the locks of its jobs; the timer for that would keep the process alive. */
    stopRenewing(): Promise<void>
  }
interface Reports {
  on(event: 'error', listener: (error: Error) => void): unknown
}
export type RunJob = (job: Pick<Job, 'name' | 'data'>) => Promise<void>

/** Where BullMQ keeps its jobs. */
export interface Backend {
  /** Throws where the server is known to be away. */
  queue(name: string, options: Omit<QueueOptions, 'connection'>): JobQueue
  worker(name: string, run: RunJob, options: Omit<WorkerOptions, 'connection'>): Promise<JobWorker>
  /** Ends the connections, whatever they are doing. */
  close(): Promise<void>
}
