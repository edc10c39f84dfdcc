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
/** On a quiet machine. */
const READY_WITHIN_MS = 30_000

/** As a sentence begins with them. */
export const names = { api: 'The API', worker: 'The worker' }

export interface Service {
  name: keyof typeof names
  pid: number
  /** Resolves with the exit code when the process has ended, asked to or not. */
  ended: Promise<number | null>
  stop(): Promise<void>
}

export interface ServiceOptions {
  name: keyof typeof names
  /** All that the service finds in its environment. */
  env: NodeJS.ProcessEnv
  /** Where its `/readyz` answers. */
  url: string
  /** Told of each line that it logs. */
  onLine?: (line: string) => void
  /** Gives up waiting, and ends the process. */
  signal?: AbortSignal
}

/** All of them, or none. */
export async function startServices(each: ServiceOptions[]): Promise<Service[]> {
  const outcomes = await Promise.allSettled(each.map(startService))
  const services = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failure = outcomes.find((one) => one.status === 'rejected')
  if (!failure) return services
  await Promise.all(services.map(({ stop }) => stop()))
  throw failure.reason
}

/** Starts one of the two services as a process of its own; resolves when it says that it can work. */
async function startService(options: ServiceOptions): Promise<Service> {
  const { name, env, url, onLine, signal } = options
  const child = spawn(
    process.execPath,
    ['--import', exitWithParent, `services/${name}/src/main.ts`],
    {
      cwd: root,
      env,
      // A group of its own: Ctrl-C reaches us alone, and we stop the parts one after the other.
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
    while (isRunning(child) && !signal?.aborted && watch.referenceMs() < READY_WITHIN_MS) {
      if (await canWork(url)) return service
      await wait(50)
    }
  } finally {
    watch.stop()
  }
  await service.stop()
  signal?.throwIfAborted()
  throw new UserFacingError(
    `${names[name]} did not start; its last words were:\n${last.join('\n')}`,
  )
}

/** Erasure may be stopped by the breaker, which only an operator can end: they need the rest running for that. */
async function canWork(url: string): Promise<boolean> {
  // A connection of ours that stays open would have it linger when it is stopped.
  const headers = { connection: 'close' }
  const answer = await fetch(`${url}/readyz`, { headers }).catch(() => undefined)
  if (!answer) return false
  if (answer.ok) return true
  const { type } = (await answer.json().catch(() => ({}))) as { type?: unknown }
  return type === '/problems/erasure-stopped'
}
