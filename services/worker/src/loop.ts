import { setTimeout } from 'node:timers/promises'

interface Loop {
  everyMs: number
  /** Returns true when there may be more work right away. */
  run(): Promise<boolean>
  onError(error: unknown): void
}

/** Repeats `run` until `stop` aborts. Resolves once the last run has ended. */
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

export async function sleep(ms: number, stop: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal: stop }).catch(() => {})
}
