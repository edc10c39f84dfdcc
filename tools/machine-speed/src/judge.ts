/** A claim about time, with the speed of the machine. */
export interface Timed {
  ms: number
  boundMs: number
  /** How many times slower than the reference the machine was during the claim. */
  slower: number
}

export type Verdict = 'holds' | 'cannot be judged' | 'broken'

/** A claim is broken only if it would be broken on the reference machine too. */
export function judge({ ms, boundMs, slower }: Timed): Verdict {
  if (ms <= boundMs) return 'holds'
  return ms / slower <= boundMs ? 'cannot be judged' : 'broken'
}

/** The end of a sentence that starts with the claim. */
export function formatTimed({ ms, boundMs, slower }: Timed): string {
  const took = `${seconds(ms)} s instead of ${seconds(boundMs)} s`
  return `${took}, on a machine ${slower.toFixed(1)} times slower than the reference`
}

const seconds = (ms: number) => Number((ms / 1_000).toFixed(2))
