import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { startStopwatch } from '@lethe/machine-speed'
import { end, isRunning } from './child.ts'
import { UserFacingError } from './user-facing-error.ts'

const root = path.join(import.meta.dirname, '../../..')
const exitWithParent = path.join(import.meta.dirname, 'exit-with-parent.ts')
/** On the reference machine. */
const READY_TIMEOUT_MS = 30_000

/** The names of the services at the start of a sentence. */
export const serviceNames = { api: 'The API', worker: 'The worker' }

export interface Service {
  name: keyof typeof serviceNames
  pid: number
  /** Resolves with the exit code when the process has ended, whether stopped or not. */
  ended: Promise<number | null>
  stop(): Promise<void>
}

export interface ServiceOptions {
  name: keyof typeof serviceNames
  /** The complete environment of the service. */
  env: NodeJS.ProcessEnv
  /** The base URL of its `/readyz`. */
  url: string
  /** Receives each log line. */
  onLine?: (line: string) => void
  /** Stops waiting and ends the process. */
  signal?: AbortSignal
}

/** Starts all of them, or none. */
export async function startServices(each: ServiceOptions[]): Promise<Service[]> {
  const outcomes = await Promise.allSettled(each.map(startService))
  const services = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failure = outcomes.find((one) => one.status === 'rejected')
  if (!failure) return services
  await Promise.all(services.map(({ stop }) => stop()))
  throw failure.reason
}

/** Starts one of the two services as a process; resolves when it is ready. */
async function startService(options: ServiceOptions): Promise<Service> {
  const { name, env, url, onLine, signal } = options
  const child = spawn(
    process.execPath,
    ['--import', exitWithParent, `services/${name}/src/main.ts`],
    {
      cwd: root,
      env,
      // A process group of its own: Ctrl-C reaches only this process, which stops the services in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  )
  const last: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream as Readable).on('line', (line) => {
      last.push(line)
      if (last.length > 5) last.shift()
      onLine?.(line)
    })
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const service: Service = {
    name,
    pid: child.pid ?? 0,
    ended,
    stop: () => end(child, ['SIGTERM', 'SIGKILL'], 12_000),
  }
  const watch = startStopwatch({ firstSampleAfterMs: 1_000 })
  try {
    while (isRunning(child) && !signal?.aborted && watch.referenceMs() < READY_TIMEOUT_MS) {
      if (await isReady(url)) return service
      await wait(50)
    }
  } finally {
    watch.stop()
  }
  await service.stop()
  signal?.throwIfAborted()
  throw new UserFacingError(
    `${serviceNames[name]} did not start; its last lines were:\n${last.join('\n')}`,
  )
}

/** The circuit breaker may have stopped erasure. Only an operator can release it, and needs the rest running for that. */
async function isReady(url: string): Promise<boolean> {
  // An open connection would delay the service's shutdown.
  const headers = { connection: 'close' }
  const answer = await fetch(`${url}/readyz`, { headers }).catch(() => undefined)
  if (!answer) return false
  if (answer.ok) return true
  const { type } = (await answer.json().catch(() => ({}))) as { type?: unknown }
  return type === '/problems/erasure-stopped'
}
