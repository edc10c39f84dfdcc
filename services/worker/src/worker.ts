import { isUnavailable, withTimeout } from '@lethe/db'
import {
  adoptSecretKey,
  createReadinessCheck,
  foreignSecretKey,
  openOutbox,
  type Readiness,
} from '@lethe/lifecycle'
import type { JobName, OpenQueue, OpenWorker } from '@lethe/queue'
import { openQueue } from '@lethe/queue'
import type { Deps } from './deps.ts'
import { findMapProblems } from './find-map-problems.ts'
import { createHandlers } from './handlers/index.ts'
import { startHealth } from './health.ts'
import { listen } from './listen.ts'
import { throttleErrors } from './logging.ts'
import { loop, sleep } from './loop.ts'
import { MAX_CONCURRENT_MAILS } from './mailer.ts'
import { conditionalTasks, periodicTasks } from './sweep.ts'
import { watchForWork } from './watch-for-work.ts'

export interface WorkerOptions {
  databaseUrl: string
  /** If absent, the queue uses the database. */
  redisUrl?: string | undefined
  queueName?: string
  /** The address of health, metrics and the queue page. Port 0 selects a free one. */
  host: string
  port: number
  /** Milliseconds for running handlers to finish when the worker closes; after that they release their leases. */
  graceMs?: number
  /**
   * Called instead of starting jobs if the data map is incomplete or a folder belongs to another database.
   * `reasons` has one line for each problem, with its remedy.
   */
  refuse?: (reasons: string) => void
}

interface RunningWorker {
  port: number
  /** Stops dispatching, lets running handlers finish, and closes every connection that the worker opened. */
  close(): Promise<void>
}

/** Each job exports up to twenty people and reads them on one connection. */
export const MAX_CONCURRENT_EXPORT_JOBS = 4
// Mails wait for the network, exports for disks, erasures for row locks, so each kind has its own slots.
const MAX_CONCURRENT_JOBS: Record<JobName, number> = {
  'send-mail': MAX_CONCURRENT_MAILS,
  'export-accounts': MAX_CONCURRENT_EXPORT_JOBS,
  'erase-accounts': 2,
}
/** An erasure holds one connection while it runs; mails and renewals use one briefly. Exports and LISTEN have their own. */
export const MAX_DATABASE_CONNECTIONS = 12

const SHUTDOWN_GRACE_MS = 8_000
const RELEASE_TIMEOUT_MS = 1_000

/** Serves health at once, and starts its jobs as soon as the database is ready. */
export async function startWorker(deps: Deps, options: WorkerOptions): Promise<RunningWorker> {
  const { host, port, graceMs = SHUTDOWN_GRACE_MS } = options
  const dispatchAbort = new AbortController()
  const handlerAbort = new AbortController()
  let current: OpenQueue | undefined
  const whyDatabaseNotReady = createReadinessCheck(deps)
  const whyNotReady = async () =>
    (await whyDatabaseNotReady()) ??
    (await findMapProblems(deps))?.join('\n') ??
    (await deps.folders.findProblem())
  const health = await startHealth(deps, { host, port, whyNotReady, queue: () => current })
  const starting = startWhenReady(
    deps,
    options,
    whyDatabaseNotReady,
    dispatchAbort.signal,
    handlerAbort.signal,
  ).then((started) => {
    if (started && !dispatchAbort.signal.aborted) current = started.queue
    return started
  })

  const close = async () => {
    current = undefined
    dispatchAbort.abort()
    const started = await starting
    if (started) {
      const done = Promise.all([started.worker.close(), started.dispatching]).then(() => true)
      const finishedInTime = await withTimeout(done, graceMs, false)
      handlerAbort.abort(new Error('the worker is stopping'))
      if (!finishedInTime) await withTimeout(done, RELEASE_TIMEOUT_MS, false)
      await withTimeout(started.queue.close(), RELEASE_TIMEOUT_MS, undefined)
    }
    await health.close()
    deps.log.info('worker.stopped')
  }
  let closed: Promise<void> | undefined
  return {
    port: health.port,
    close() {
      closed ??= close()
      return closed
    },
  }
}

interface StartedJobs {
  queue: OpenQueue
  worker: OpenWorker
  /** Resolves once dispatching has stopped. */
  dispatching: Promise<unknown>
}

/** Retries every second until the jobs have started. Returns undefined if stopped before that, or refused. */
async function startWhenReady(
  deps: Deps,
  options: WorkerOptions,
  whyDatabaseNotReady: Readiness,
  stopDispatching: AbortSignal,
  stopHandlers: AbortSignal,
): Promise<StartedJobs | undefined> {
  let loggedReason: string | undefined
  while (!stopDispatching.aborted) {
    const reason = await whyDatabaseNotReady()
    if (reason && reason !== loggedReason) deps.log.warn({ reason }, 'worker.waiting')
    loggedReason = reason
    if (!reason)
      try {
        // Without a complete data map nothing may be erased; in another database's folder no file may be written.
        const reasons = await findRefusalReasons(deps)
        if (reasons) {
          deps.log.fatal({ reasons }, 'worker.refused')
          options.refuse?.(reasons.join('\n'))
          return undefined
        }
        const folderReason = await deps.folders.findProblem()
        if (!folderReason) return await startJobs(deps, options, stopDispatching, stopHandlers)
        if (folderReason !== loggedReason) deps.log.warn({ reason: folderReason }, 'worker.waiting')
        loggedReason = folderReason
      } catch (err) {
        deps.log.error({ err }, 'worker.not-started')
      }
    await sleep(1_000, stopDispatching)
  }
  return undefined
}

async function findRefusalReasons(deps: Deps): Promise<string[] | undefined> {
  const mapProblems = await findMapProblems(deps)
  if (mapProblems) return ['the data map is incomplete:', ...mapProblems]
  const foreignFolder = await deps.folders.start()
  return foreignFolder === undefined ? undefined : [foreignFolder]
}

/** Opens the queue, starts its handlers, and starts dispatching. */
async function startJobs(
  deps: Deps,
  { databaseUrl, redisUrl, queueName }: WorkerOptions,
  stopDispatching: AbortSignal,
  stopHandlers: AbortSignal,
): Promise<StartedJobs> {
  const { db, keys, log } = deps
  if (!(await adoptSecretKey(db, keys))) throw new Error(foreignSecretKey)
  const queue = await openQueue({
    databaseUrl,
    redisUrl,
    name: queueName,
    onError: throttleErrors((err) => log.error({ err }, 'queue.failed')),
  })
  try {
    const handlers = createHandlers({ ...deps, outbox: openOutbox(db), stop: stopHandlers })
    const worker = await queue.startWorker(handlers, MAX_CONCURRENT_JOBS)
    log.info({ queue: redisUrl ? 'redis' : 'postgres' }, 'worker.started')
    return {
      queue,
      worker,
      dispatching: startDispatching(deps, queue, databaseUrl, stopDispatching),
    }
  } catch (error) {
    await queue.close()
    throw error
  }
}

/** Runs the sweep and the relay until `stop` aborts: at intervals, and on each notification of new rows. */
function startDispatching(deps: Deps, queue: OpenQueue, databaseUrl: string, stop: AbortSignal) {
  const logUnavailable = throttleErrors((err: unknown) =>
    deps.log.error({ err }, 'database.unavailable'),
  )
  const onTaskError = (task: string) => {
    const logFailed = throttleErrors((err: unknown) => deps.log.error({ task, err }, 'task.failed'))
    return (error: unknown) => (isUnavailable(error) ? logUnavailable(error) : logFailed(error))
  }
  const watch = watchForWork(deps.db, conditionalTasks(deps, queue), onTaskError, stop)
  const periodic = Object.entries(periodicTasks(deps)).map(([name, task]) =>
    loop({ ...task, onError: onTaskError(name) }, stop),
  )
  return Promise.all([
    watch.ended,
    listen(
      databaseUrl,
      {
        outbox: () => watch.requestRun('relay'),
        exports: () => watch.requestRun('dispatch-exports'),
      },
      onTaskError('listen'),
      stop,
    ),
    ...periodic,
  ])
}
