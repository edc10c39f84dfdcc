import { onSample, sample, slowness } from './samples.ts'

/**
 * Two clocks that start together: the time on this machine, and the estimated time of the reference machine for the
 * same work.
 */
export interface Stopwatch {
  /** Milliseconds on this machine. */
  ms(): number
  /** Milliseconds that the reference machine would have needed, according to the samples. */
  referenceMs(): number
  /** How many times slower than the reference this machine was in its slowest stretch of about this length. */
  slowestOver(stretchMs: number): number
  /** How many times slower this machine was than the reference, on average, from `begin` to `end`; both are values of `ms()`. */
  slownessBetween(begin: number, end: number): number
  /** Takes one more sample, so that even a short time has one. */
  sample(): Promise<void>
  /** Takes no more samples. */
  stop(): void
}

interface Mark {
  ms: number
  referenceMs: number
}

/** Samples now and then every second, or only after `firstSampleAfterMs`. */
export function startStopwatch({ firstSampleAfterMs = 0 } = {}): Stopwatch {
  const began = performance.now()
  const ms = () => performance.now() - began
  const marks: Mark[] = [{ ms: 0, referenceMs: 0 }]
  let before = slowness()
  const lastMark = () => marks.at(-1) as Mark
  const at = (now: number, slower: number): Mark => {
    const last = lastMark()
    return { ms: now, referenceMs: last.referenceMs + (now - last.ms) / slower }
  }
  const stop = onSample((now) => {
    // Between two samples the slower one counts.
    marks.push(at(ms(), Math.max(before, now)))
    before = now
  }, firstSampleAfterMs)
  return {
    ms,
    referenceMs: () => at(ms(), before).referenceMs,
    slowestOver(stretchMs) {
      const all = [...marks, at(ms(), before)]
      let slowest = 1
      let from = 0
      for (const [to, end] of all.entries()) {
        while (from + 1 < to && end.ms - (all[from + 1] as Mark).ms >= stretchMs) from++
        const start = all[from] as Mark
        const length = end.referenceMs - start.referenceMs
        if (length > 0) slowest = Math.max(slowest, (end.ms - start.ms) / length)
      }
      return slowest
    },
    slownessBetween(begin, end) {
      const all = [...marks, at(ms(), before)]
      const referenceMs = referenceAt(all, end) - referenceAt(all, begin)
      return referenceMs > 0 ? Math.max(1, (end - begin) / referenceMs) : 1
    },
    sample,
    stop,
  }
}

/** Interpolates between the two marks around `time`. */
function referenceAt(marks: Mark[], time: number): number {
  const next = marks.findIndex(({ ms }) => ms >= time)
  const after = marks.at(next) as Mark
  const before = marks[next < 0 ? marks.length - 1 : Math.max(0, next - 1)] as Mark
  const length = after.ms - before.ms
  if (length <= 0) return after.referenceMs
  const share = Math.max(0, time - before.ms) / length
  return before.referenceMs + share * (after.referenceMs - before.referenceMs)
}
