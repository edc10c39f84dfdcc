import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** How long the work in `sample-thread.ts` takes on an idle machine of the kind that the bounds were chosen on. */
const REFERENCE_MS = 20
/** Bounds are not extended beyond this factor, so that every wait ends. */
const MAX_SLOWNESS = 40
const SAMPLE_INTERVAL_MS = 1_000

let latest = 1
let sampledAt = Number.NEGATIVE_INFINITY
/** The thread starts with the first sample and keeps no process alive. */
let thread: Worker | undefined
let pending: Promise<void> | undefined
const listeners = new Set<(slowness: number) => void>()
let timer: NodeJS.Timeout | undefined

/** How many times slower this machine was at the latest sample than the reference machine, at least 1. */
export const slowness = (): number => latest

/** Measures now. Concurrent callers share one sample. */
export function sample(): Promise<void> {
  pending ??= takeSample().finally(() => {
    pending = undefined
  })
  return pending
}

/** How many times slower this machine is at this moment. */
export async function measureSlowness(): Promise<number> {
  await sample()
  return latest
}

/** Calls `listener` with each sample from now on, about one a second; returns a function that stops that. */
export function onSample(listener: (slowness: number) => void, firstAfterMs: number): () => void {
  listeners.add(listener)
  const first = setTimeout(sampleUnlessRecent, firstAfterMs).unref()
  timer ??= setInterval(sampleUnlessRecent, SAMPLE_INTERVAL_MS).unref()
  return () => {
    clearTimeout(first)
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

function sampleUnlessRecent(): void {
  if (performance.now() - sampledAt >= SAMPLE_INTERVAL_MS / 2) void sample()
}

async function takeSample(): Promise<void> {
  thread ??= new Worker(new URL('./sample-thread.ts', import.meta.url))
  // The process may end while the thread works.
  thread.unref()
  const answered = once(thread, 'message')
  thread.postMessage('measure')
  const [ms] = (await answered) as [number]
  latest = Math.min(MAX_SLOWNESS, Math.max(1, ms / REFERENCE_MS))
  sampledAt = performance.now()
  for (const listener of listeners) listener(latest)
}
