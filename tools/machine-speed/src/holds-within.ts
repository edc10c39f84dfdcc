import type { Test } from 'tap'
import { formatTimed, judge } from './judge.ts'
import type { Stopwatch } from './stopwatch.ts'

/**
 * Asserts that no more than `boundMs` have passed. On a machine too slow for that to be judged the assertion is skipped,
 * and says so: `pnpm test` counts those apart.
 */
export async function holdsWithin(
  t: Pick<Test, 'pass' | 'fail'>,
  watch: Stopwatch,
  boundMs: number,
  claim: string,
): Promise<void> {
  const ms = watch.ms()
  if (ms > boundMs) await watch.sample()
  const timed = { ms, boundMs, slower: watch.slowestOver(boundMs) }
  watch.stop()
  const verdict = judge(timed)
  if (verdict === 'holds') t.pass(claim)
  else if (verdict === 'broken') t.fail(`${claim}: ${formatTimed(timed)}`)
  else t.pass(claim, { skip: `cannot be judged: ${formatTimed(timed)}` })
}
