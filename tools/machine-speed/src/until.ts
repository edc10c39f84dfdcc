import { setTimeout as pause } from 'node:timers/promises'
import { startStopwatch } from './stopwatch.ts'

const MAX_INTERVAL_MS = 50
const FIRST_SAMPLE_AFTER_MS = 250

/**
 * Polls until the result is neither empty nor false, and returns it. Fails after `boundMs`, a time on the reference
 * machine; on a slower machine the wait is longer by the same factor.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  boundMs = 60_000,
): Promise<Exclude<NonNullable<T>, false>> {
  const watch = startStopwatch({ firstSampleAfterMs: FIRST_SAMPLE_AFTER_MS })
  const late = Promise.withResolvers<never>()
  // A condition that never settles must not block the end; a slow one gets a little more time.
  const guard = setInterval(() => {
    if (watch.referenceMs() > 2 * boundMs + 1_000) late.reject(missed())
  }, 100)
  const missed = () => {
    const [seconds, slower] = [watch.ms() / 1_000, watch.ms() / watch.referenceMs()]
    const machine =
      slower > 1.5 ? `, on a machine ${slower.toFixed(1)} times slower than usual` : ''
    return new Error(`not within ${seconds.toFixed(1)} s${machine}: ${what}`)
  }
  try {
    for (;;) {
      const answer = await Promise.race([condition(), late.promise])
      if (answer) return answer as Exclude<NonNullable<T>, false>
      if (watch.referenceMs() > boundMs) {
        // On a very slow machine the first sample may come after the bound.
        await watch.sample()
        if (watch.referenceMs() > boundMs) throw missed()
      }
      await pause(Math.min(MAX_INTERVAL_MS, 2 + watch.ms() / 20))
    }
  } finally {
    clearInterval(guard)
    watch.stop()
  }
}
