import type { Test } from 'tap'
import { formatTimed, judge } from './judge.ts'
import type { Stopwatch } from './stopwatch.ts'

/**
 * Asserts that at most `boundMs` have passed. On a machine too slow to judge that, the assertion is skipped with the
 * reason; `pnpm test` counts those separately.
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
