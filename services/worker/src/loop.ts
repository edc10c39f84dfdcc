import { setTimeout } from 'node:timers/promises'

interface Loop {
  everyMs: number
  /** True when there may be more to do at once. */
  run(): Promise<boolean>
  onError(error: unknown): void
}

/** Runs again and again until `stop` fires; resolves once the last run is over. `nap` may be cut short. */
export async function loop({ everyMs, run, onError }: Loop, stop: AbortSignal, wake?: Wake) {
  while (!stop.aborted) {
    const rung = wake?.next()
    let more = false
    try {
      more = await run()
    } catch (error) {
      onError(error)
    }
    if (!more) await nap(everyMs, rung ? AbortSignal.any([stop, rung]) : stop)
  }
}

/** Cuts naps short. */
interface Wake {
  ring(): void
  /** Fires at the next ring: asked for before the work begins, no ring is missed. */
  next(): AbortSignal
}

export function createWake(): Wake {
  let bell = new AbortController()
  return {
    ring: () => bell.abort(),
    next() {
      if (bell.signal.aborted) bell = new AbortController()
      return bell.signal
    },
  }
}

export async function nap(ms: number, until: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: until }).catch(() => {})
}
