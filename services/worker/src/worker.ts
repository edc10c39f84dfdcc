import { setTimeout } from 'node:timers/promises'
import { isUnavailable } from '@lethe/db'
import {
  adoptSecretKey,
  foreignSecretKey,
  openOutbox,
  type Readiness,
  readiness,
} from '@lethe/lifecycle'
import type { JobName, OpenQueue, OpenWorker } from '@lethe/queue'
import { openQueue } from '@lethe/queue'
import type { Deps } from './deps.ts'
import { handlersWith } from './handlers/index.ts'
import { startHealth } from './health.ts'
import { listen } from './listen.ts'
import { throttleErrors } from './logging.ts'
import { loop, sleep } from './loop.ts'
import { mailsAtOnce } from './mailer.ts'
import { conditionalTasks, periodicTasks } from './sweep.ts'
import { watchForWork } from './watch-for-work.ts'
import { whyNoPlan } from './why-no-plan.ts'

export interface WorkerOptions {
  databaseUrl: string
  /** Absent: the queue lives in the database. */
  redisUrl?: string | undefined
  queueName?: string
  /** Where health, metrics and the queue page are served; port 0 is any free one. */
  host: string
  port: number
  /** Milliseconds that running handlers have when the worker is closed; then they give back what they hold. */
  graceMs?: number
  /** Told instead of beginning to work where the data map forgets something, or a folder is another database's: why, with the remedy. */
  refuse?: (reasons: string) => void
}

interface RunningWorker {
  port: number
  /** Lends no more, lets running handlers finish, and ends every connection that it opened. */
  close(): Promise<void>
}

/** Each of up to twenty people, who are read on one connection. */
export const exportJobsAtOnce = 4
// Mails wait for a network, exports for disks, erasures for row locks: none takes the slots of another.
const concurrency: Record<JobName, number> = {
  'send-mail': mailsAtOnce,
  'export-accounts': exportJobsAtOnce,
  'erase-accounts': 2,
}
/** Erasures hold one while they run; mails and leases ask for one for a moment. */
export const databaseConnections = 12

const GRACE_MS = 8_000
const LETTING_GO_MS = 1_000

/** Listens at once; begins to work as soon as the database can be worked on. */
export async function startWorker(deps: Deps, options: WorkerOptions): Promise<RunningWorker> {
  const { host, port, graceMs = GRACE_MS } = options
  const lending = new AbortController()
  const work = new AbortController()
  let current: OpenQueue | undefined
  const whyNotDatabase = readiness(deps)
  const whyNotReady = async () =>
    (await whyNotDatabase()) ?? (await whyNoPlan(deps))?.join('\n') ?? (await deps.folders.whyNot())
  const health = await startHealth(deps, { host, port, whyNotReady, queue: () => current })
  const begun = begin(deps, options, whyNotDatabase, lending.signal, work.signal).then(
    (started) => {
      if (started && !lending.signal.aborted) current = started.queue
      return started
    },
  )

  const close = async () => {
    current = undefined
    lending.abort()
    const started = await begun
    if (started) {
      const done = Promise.all([started.worker.close(), started.loops])
      const timely = await withinMs(graceMs, done)
      work.abort(new Error('the worker is stopping'))
      if (!timely) await withinMs(LETTING_GO_MS, done)
      await withinMs(LETTING_GO_MS, started.queue.close())
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

interface Started {
  queue: OpenQueue
  worker: OpenWorker
  /** Settles once nothing is lent any more. */
  loops: Promise<unknown>
}

/** Undefined when it was stopped before it could begin, or may not. */
async function begin(
  deps: Deps,
  options: WorkerOptions,
  whyNotDatabase: Readiness,
  stop: AbortSignal,
  stopWork: AbortSignal,
): Promise<Started | undefined> {
  let told: string | undefined
  while (!stop.aborted) {
    const reason = await whyNotDatabase()
    if (reason && reason !== told) deps.log.warn({ reason }, 'worker.waiting')
    told = reason
    if (!reason)
      try {
        // To begin to erase with a table forgotten would leave somebody behind.
        const reasons = await whyRefused(deps)
        if (reasons) {
          deps.log.fatal({ reasons }, 'worker.refused')
          options.refuse?.(reasons.join('\n'))
          return undefined
        }
        const waitsFor = await deps.folders.whyNot()
        if (!waitsFor) return await open(deps, options, stop, stopWork)
        if (waitsFor !== told) deps.log.warn({ reason: waitsFor }, 'worker.waiting')
        told = waitsFor
      } catch (err) {
        deps.log.error({ err }, 'worker.not-started')
      }
    await sleep(1_000, stop)
  }
  return undefined
}

async function whyRefused(deps: Deps): Promise<string[] | undefined> {
  const forgotten = await whyNoPlan(deps)
  if (forgotten) return ['nobody may be erased:', ...forgotten]
  const line = await deps.folders.start()
  return line === undefined ? undefined : [line]
}

async function open(
  deps: Deps,
  { databaseUrl, redisUrl, queueName }: WorkerOptions,
  stop: AbortSignal,
  stopWork: AbortSignal,
): Promise<Started> {
  const { db, keys, log } = deps
  if (!(await adoptSecretKey(db, keys))) throw new Error(foreignSecretKey)
  const queue = await openQueue({
    ...{ databaseUrl, redisUrl, name: queueName },
    onError: throttleErrors((err) => log.error({ err }, 'queue.failed')),
  })
  try {
    const handlers = handlersWith({ ...deps, outbox: openOutbox(db), stop: stopWork })
    const worker = await queue.startWorker(handlers, concurrency)
    log.info({ queue: redisUrl ? 'redis' : 'postgres' }, 'worker.started')
    return { queue, worker, loops: lend(deps, queue, databaseUrl, stop) }
  } catch (error) {
    await queue.close()
    throw error
  }
}

function lend(deps: Deps, queue: OpenQueue, databaseUrl: string, stop: AbortSignal) {
  const away = throttleErrors((err: unknown) => deps.log.error({ err }, 'database.unavailable'))
  const failed = (task: string) => {
    const tell = throttleErrors((err: unknown) => deps.log.error({ task, err }, 'task.failed'))
    return (error: unknown) => (isUnavailable(error) ? away(error) : tell(error))
  }
  const watch = watchForWork(deps.db, conditionalTasks(deps, queue), failed, stop)
  const periodic = Object.entries(periodicTasks(deps)).map(([name, task]) =>
    loop({ ...task, onError: failed(name) }, stop),
  )
  return Promise.all([
    watch.ended,
    listen(
      databaseUrl,
      { outbox: () => watch.ask('relay'), exports: () => watch.ask('dispatch-exports') },
      failed('listen'),
      stop,
    ),
    ...periodic,
  ])
}

async function withinMs(ms: number, done: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const late = setTimeout(ms, false, { signal: timer.signal })
  late.catch(() => {})
  try {
    return await Promise.race([done.then(() => true), late])
  } finally {
    timer.abort()
  }
}
