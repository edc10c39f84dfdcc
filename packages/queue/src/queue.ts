import type { Backend, JobQueue } from './backend.ts'
import { type Handlers, type JobName, jobNames } from './jobs.ts'
import { postgresBackend } from './postgres.ts'
import { redisBackend } from './redis.ts'
import { type OpenWorker, startWorkers } from './run-jobs.ts'

interface QueueSettings {
  /** Absent: BullMQ's PostgreSQL backend on `databaseUrl`. */
  redisUrl?: string | undefined
  databaseUrl: string
  name?: string | undefined
  /** Told of lost connections and of handlers that threw. */
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

/** Each call fails soon where the queue cannot be reached, and works again once it can. */
export interface OpenQueue {
  publish(name: JobName, leases: string[]): Promise<void>
  counts(name: JobName): Promise<QueueCounts>
  /** The newest jobs that were set aside because no handler can ever do them. */
  failedJobs(limit: number): Promise<FailedJob[]>
  /** Takes so many jobs of each name at a time. */
  startWorker(handlers: Handlers, concurrency: Record<JobName, number>): Promise<OpenWorker>
  close(): Promise<void>
}

const options = {
  // The row decides whether and when something is tried again; what fails in the queue are jobs that make no sense.
  defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: { count: 1_000 } },
  streams: { events: { maxLen: 100 } },
}

/**
 * A queue of BullMQ's for each job: in one for all, mails to a server that hangs would hold every slot, and fill
 * the line in front of erasures that are due.
 */
export async function openQueue(settings: QueueSettings): Promise<OpenQueue> {
  const { redisUrl, databaseUrl, name: prefix = 'lethe', onError = () => {} } = settings
  const backend = redisUrl
    ? await redisBackend(redisUrl, onError)
    : await postgresBackend(databaseUrl, onError)
  const nameOf = (name: JobName) => `${prefix}-${name}`
  const queues = byName((name) => reopening(backend, nameOf(name), onError))

  return {
    async publish(name, leases) {
      // Leases never come round again, so neither do job ids: BullMQ ignores an id that it knows.
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
          // Nothing but the id may be left of a job that Redis evicted.
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

// In PostgreSQL, what waits while somebody has paused the queue is counted as nothing else; BullMQ's types forgot it.
const states = ['waiting', 'active', 'failed', 'paused' as 'waiting'] as const

function byName<T>(make: (name: JobName) => T): Record<JobName, T> {
  return Object.fromEntries(jobNames.map((name) => [name, make(name)])) as Record<JobName, T>
}

/** BullMQ remembers for ever that a queue could not be opened; this one is then opened anew at the next call. */
function reopening(backend: Backend, name: string, onError: (error: Error) => void) {
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
