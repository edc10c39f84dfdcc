import { onSample, sample, slowness } from './samples.ts'

/** Two clocks that start together: this machine's, and that of the reference machine doing the same work. */
export interface Stopwatch {
  /** Milliseconds on this machine. */
  ms(): number
  /** Milliseconds that the reference machine would have needed, as far as the samples tell. */
  referenceMs(): number
  /** How many times slower this machine was than the reference in its slowest stretch of about this length. */
  slowestOver(stretchMs: number): number
  /** Takes one more sample, so that even a short time has one. */
  sample(): Promise<void>
  /** Takes no more samples. */
  stop(): void
}

interface Mark {
  ms: number
  referenceMs: number
}

/** Samples at once and then every second, or only once something takes longer than `firstSampleAfterMs`. */
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
    // Between two samples the machine counts as the slower of them.
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
    sample,
    stop,
  }
}
