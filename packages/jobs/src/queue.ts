import { setTimeout } from 'node:timers/promises'
import { UnrecoverableError } from 'bullmq'
import type { Backend, JobQueue, RunJob } from './backend.ts'
import { type Handlers, isJobName, isPayload, type JobName } from './jobs.ts'
import { postgresBackend } from './postgres.ts'
import { redisBackend } from './redis.ts'

export interface QueueSettings {
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

export interface QueueCounts {
  waiting: number
  active: number
  failed: number
}

/** Each call fails soon where the queue cannot be reached, and works again once it can. */
export interface OpenQueue {
  publish(name: JobName, leases: string[]): Promise<void>
  counts(): Promise<QueueCounts>
  /** The newest jobs that were set aside because no handler can ever do them. */
  failedJobs(limit: number): Promise<FailedJob[]>
  /** Jobs that are running when it is closed are waited for. */
  startWorker(handlers: Handlers, concurrency: number): Promise<{ close(): Promise<void> }>
  close(): Promise<void>
}

const options = {
  // The row decides whether and when something is tried again; what fails in the queue are jobs that make no sense.
  defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: { count: 1_000 } },
  streams: { events: { maxLen: 100 } },
}

// A killed worker's job is picked up after some ten seconds, however often that happens.
const workerOptions = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 1_000_000,
  runRetryDelay: 1_000,
}

// For telling the queue that the last job is done.
const LAST_WORD_MS = 1_000

export async function openQueue(settings: QueueSettings): Promise<OpenQueue> {
  const { redisUrl, databaseUrl, name = 'lethe', onError = () => {} } = settings
  const backend = redisUrl
    ? redisBackend(redisUrl, onError)
    : await postgresBackend(databaseUrl, onError)
  const queue = reopening(backend, name, onError)

  return {
    async publish(name, leases) {
      // Leases never come round again, so neither do job ids: BullMQ ignores an id that it knows.
      const jobs = leases.map((lease) => ({
        name,
        data: { lease },
        opts: { jobId: `${name}-${lease}` },
      }))
      if (jobs.length > 0) await (await queue.open()).addBulk(jobs)
    },
    async counts() {
      const counts = await (await queue.open()).getJobCounts('waiting', 'active', 'failed')
      return {
        waiting: counts.waiting ?? 0,
        active: counts.active ?? 0,
        failed: counts.failed ?? 0,
      }
    },
    async failedJobs(limit) {
      const jobs = await (await queue.open()).getFailed(0, limit - 1)
      return jobs.map((job) => ({
        name: job.name,
        id: job.id ?? '',
        code: job.failedReason,
        at: new Date(job.finishedOn ?? job.timestamp),
      }))
    },
    async startWorker(handlers, concurrency) {
      const running = new Set<Promise<void>>()
      const run = runWith(handlers, onError)
      const worker = await backend.worker(
        name,
        async (job) => {
          const done = run(job).finally(() => running.delete(done))
          running.add(done)
          await done
        },
        { ...workerOptions, concurrency },
      )
      worker.on('error', onError)
      return {
        async close() {
          // BullMQ waits for ever on a server that is away; once nothing runs there is nothing to wait for.
          const idle = async () => {
            await Promise.allSettled(running)
            await setTimeout(LAST_WORD_MS)
          }
          await Promise.race([worker.close(), idle()])
        },
      }
    },
    async close() {
      await queue.close()
      await backend.close()
    },
  }
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

function runWith(handlers: Handlers, onError: (error: Error) => void): RunJob {
  const run = async <N extends JobName>(name: N, data: unknown): Promise<void> => {
    if (!isPayload(name, data)) throw new UnrecoverableError('malformed-payload')
    // A handler that throws has left its rows leased: they come back when the lease runs out.
    await handlers[name](data).catch(onError)
  }
  return async ({ name, data }) => {
    if (!isJobName(name)) throw new UnrecoverableError('unknown-job')
    await run(name, data)
  }
}
