import { setTimeout } from 'node:timers/promises'
import { UnrecoverableError } from 'bullmq'
import type { Backend, JobWorker, RunJob } from './backend.ts'
import { type Handlers, isPayload, type JobName, jobNames } from './jobs.ts'

export interface OpenWorker {
  /** Stops taking jobs, and waits for those that are running. */
  close(): Promise<void>
}

// Another worker picks up a killed worker's job after about ten seconds, however often that happens.
const options = {
  // A job that Redis evicted has lost its own retention, so without this limit it would stay forever.
  removeOnFail: { count: 1_000 },
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 1_000_000,
  runRetryDelay: 1_000,
}

// Time to report to the queue that the last job is finished.
const COMPLETION_TIMEOUT_MS = 1_000

export async function startWorkers(
  backend: Backend,
  nameOf: (name: JobName) => string,
  handlers: Handlers,
  concurrency: Record<JobName, number>,
  onError: (error: Error) => void,
): Promise<OpenWorker> {
  const start = async (name: JobName) => {
    const work = trackJobs(createJobRunner(handlers, name, onError))
    const worker = await backend.worker(nameOf(name), work.run, {
      ...options,
      concurrency: concurrency[name],
    })
    worker.on('error', onError)
    return () => closeWorker(worker, work)
  }
  const starts = await Promise.allSettled(jobNames.map(start))
  const closers = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const close = async () => {
    await Promise.all(closers.map((close) => close()))
  }
  const failure = starts.find((one) => one.status === 'rejected')
  if (failure) {
    // If the other workers kept running on connections that are about to end, they would poll without pause.
    await close()
    throw failure.reason
  }
  return { close }
}

function createJobRunner<N extends JobName>(
  handlers: Handlers,
  expected: N,
  onError: (error: Error) => void,
): RunJob {
  return async ({ name, data }) => {
    if (name !== expected) throw new UnrecoverableError('unknown-job')
    if (!isPayload(expected, data)) throw new UnrecoverableError('malformed-payload')
    // The rows of a handler that throws stay leased, and become free when the lease expires.
    await handlers[expected](data).catch(onError)
  }
}

function trackJobs(run: RunJob) {
  const running = new Set<Promise<void>>()
  return {
    run(job: Parameters<RunJob>[0]): Promise<void> {
      const done = run(job).finally(() => running.delete(done))
      running.add(done)
      return done
    },
    isIdle: () => running.size === 0,
    idle: () => Promise.allSettled(running),
  }
}

/** BullMQ waits forever for a server that is down. Once no job is running, there is no reason to wait. */
async function closeWorker(worker: JobWorker, work: ReturnType<typeof trackJobs>): Promise<void> {
  const closing = worker.close()
  do {
    await work.idle()
    await Promise.race([closing, setTimeout(COMPLETION_TIMEOUT_MS)])
    // A job that was on its way when closing began has arrived by now.
  } while (!work.isIdle())
  await worker.stopRenewing()
}
