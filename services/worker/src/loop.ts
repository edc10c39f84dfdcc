import { setTimeout } from 'node:timers/promises'

interface Loop {
  everyMs: number
  /** True when there may be more to do at once. */
  run(): Promise<boolean>
  onError(error: unknown): void
}

/** Runs again and again until `stop` fires; resolves once the last run is over. */
export async function loop({ everyMs, run, onError }: Loop, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    let more = false
    try {
      more = await run()
    } catch (error) {
      onError(error)
    }
    if (!more) await sleep(everyMs, stop)
  }
}

export async function sleep(ms: number, until: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: until }).catch(() => {})
}
