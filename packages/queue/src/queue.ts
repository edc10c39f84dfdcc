import type { Backend, JobQueue } from './backend.ts'
import { type Handlers, type JobName, jobNames } from './jobs.ts'
import { postgresBackend } from './postgres.ts'
import { redisBackend } from './redis.ts'
import { type OpenWorker, startWorkers } from './run-jobs.ts'

interface QueueSettings {
  /** If absent, BullMQ uses its PostgreSQL backend on `databaseUrl`. */
  redisUrl?: string | undefined
  databaseUrl: string
  name?: string | undefined
  /** Called for lost connections and for handlers that threw. */
  onError?: (error: Error) => void
}

export interface FailedJob {
  name: string
  id: string
  code: string
  at: Date
}

interface QueueCounts {
  waiting: number
  active: number
  failed: number
}

/** Each call fails quickly while the queue is unreachable, and succeeds again once it is reachable. */
export interface OpenQueue {
  publish(name: JobName, leases: string[]): Promise<void>
  counts(name: JobName): Promise<QueueCounts>
  /** Returns the newest jobs that failed because no handler can process them. */
  failedJobs(limit: number): Promise<FailedJob[]>
  /** Runs up to `concurrency` jobs of each name at a time. */
  startWorker(handlers: Handlers, concurrency: Record<JobName, number>): Promise<OpenWorker>
  close(): Promise<void>
}

const options = {
  // The row decides whether and when to retry. Only malformed jobs fail in the queue.
  defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: { count: 1_000 } },
  streams: { events: { maxLen: 100 } },
}

/**
 * Opens a BullMQ queue for each job. In a shared queue, mails to a hanging server would occupy every slot and delay
 * due erasures.
 */
export async function openQueue(settings: QueueSettings): Promise<OpenQueue> {
  const { redisUrl, databaseUrl, name: prefix = 'lethe', onError = () => {} } = settings
  const backend = redisUrl
    ? await redisBackend(redisUrl, onError)
    : await postgresBackend(databaseUrl, onError)
  const nameOf = (name: JobName) => `${prefix}-${name}`
  const queues = forEachName((name) => createReopeningQueue(backend, nameOf(name), onError))

  return {
    async publish(name, leases) {
      // BullMQ ignores a job id that it already knows. A lease is never reused, so job ids are not either.
      const jobs = leases.map((lease) => ({
        name,
        data: { lease },
        opts: { jobId: `${name}-${lease}` },
      }))
      if (jobs.length > 0) await (await queues[name].open()).addBulk(jobs)
    },
    async counts(name) {
      const queue = await queues[name].open()
      const {
        waiting = 0,
        active = 0,
        failed = 0,
        paused = 0,
      } = await queue.getJobCounts(...states)
      return { waiting: waiting + paused, active, failed }
    },
    async failedJobs(limit) {
      const failed = await Promise.all(
        jobNames.map(async (name) => (await queues[name].open()).getFailed(0, limit - 1)),
      )
      return (
        failed
          .flat()
          // A job that Redis evicted may have nothing left but its id.
          .map(({ name = '', id = '', failedReason = '', finishedOn = 0 }) => {
            return { name, id, code: failedReason, at: new Date(finishedOn) }
          })
          .sort((a, b) => b.at.getTime() - a.at.getTime())
          .slice(0, limit)
      )
    },
    startWorker: (handlers, concurrency) =>
      startWorkers(backend, nameOf, handlers, concurrency, onError),
    async close() {
      await Promise.all(jobNames.map((name) => queues[name].close()))
      await backend.close()
    },
  }
}

// On PostgreSQL, jobs of a paused queue count only as `paused`, a state that BullMQ's types omit.
const states = ['waiting', 'active', 'failed', 'paused' as 'waiting'] as const

function forEachName<T>(make: (name: JobName) => T): Record<JobName, T> {
  return Object.fromEntries(jobNames.map((name) => [name, make(name)])) as Record<JobName, T>
}

/** BullMQ remembers forever that a queue could not be opened, so the next call opens it again. */
function createReopeningQueue(backend: Backend, name: string, onError: (error: Error) => void) {
  let opened: JobQueue | undefined
  return {
    async open(): Promise<JobQueue> {
      if (!opened) {
        opened = backend.queue(name, options)
        opened.on('error', onError)
      }
      const queue = opened
      try {
        await queue.waitUntilReady()
        return queue
      } catch (error) {
        if (opened === queue) opened = undefined
        throw error
      }
    },
    close: async () => opened?.close(),
  }
}
