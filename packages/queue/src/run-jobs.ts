import { setTimeout } from 'node:timers/promises'
import { UnrecoverableError } from 'bullmq'
import type { Backend, JobWorker, RunJob } from './backend.ts'
import { type Handlers, isPayload, type JobName, jobNames } from './jobs.ts'

export interface OpenWorker {
  /** Takes no more jobs, and waits for those that are running. */
  close(): Promise<void>
}

// A killed worker's job is picked up after some ten seconds, however often that happens.
const options = {
  // Of a job that Redis evicted nothing says how long it is kept: without this, for ever.
  removeOnFail: { count: 1_000 },
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 1_000_000,
  runRetryDelay: 1_000,
}

// For telling the queue that the last job is done.
const LAST_WORD_MS = 1_000

export async function startWorkers(
  backend: Backend,
  nameOf: (name: JobName) => string,
  handlers: Handlers,
  concurrency: Record<JobName, number>,
  onError: (error: Error) => void,
): Promise<OpenWorker> {
  const start = async (name: JobName) => {
    const work = tracked(runWith(handlers, name, onError))
    const worker = await backend.worker(nameOf(name), work.run, {
      ...options,
      concurrency: concurrency[name],
    })
    worker.on('error', onError)
    return () => closed(worker, work)
  }
  const starts = await Promise.allSettled(jobNames.map(start))
  const closers = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const close = async () => {
    await Promise.all(closers.map((close) => close()))
  }
  const failure = starts.find((one) => one.status === 'rejected')
  if (failure) {
    // Left running on connections that are ended next, the others would ask again and again without a pause.
    await close()
    throw failure.reason
  }
  return { close }
}

function runWith<N extends JobName>(
  handlers: Handlers,
  expected: N,
  onError: (error: Error) => void,
): RunJob {
  return async ({ name, data }) => {
    if (name !== expected) throw new UnrecoverableError('unknown-job')
    if (!isPayload(expected, data)) throw new UnrecoverableError('malformed-payload')
    // A handler that throws has left its rows leased: they come back when the lease runs out.
    await handlers[expected](data).catch(onError)
  }
}

function tracked(run: RunJob) {
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

/** BullMQ waits for ever on a server that is away; once nothing runs any more there is nothing to wait for. */
async function closed(worker: JobWorker, work: ReturnType<typeof tracked>): Promise<void> {
  const closing = worker.close()
  do {
    await work.idle()
    await Promise.race([closing, setTimeout(LAST_WORD_MS)])
    // A job that was on its way when we began to close has come by now.
  } while (!work.isIdle())
  await worker.stopRenewing()
}
