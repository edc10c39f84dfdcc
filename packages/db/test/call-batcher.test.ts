import t from 'tap'
import { batchCalls } from '../src/index.ts'

t.test('calls that arrive during a run are answered together by the next one', async (t) => {
  const { runs, double } = doubling()
  const answers = await Promise.all([1, 2, 3].map(double))
  t.strictSame(answers, [2, 4, 6])
  t.strictSame(runs, [[1], [2, 3]], 'the first one waited for nobody')
  t.equal(await double(4), 8)
  t.strictSame(runs.at(-1), [4])
})

t.test('a failing call is retried alone, and fails no other', async (t) => {
  const { runs, double } = doubling((calls) => calls.includes(3))
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(double))
  t.match(outcomes, [{ value: 2 }, { value: 4 }, { reason: { message: 'not 3' } }, { value: 8 }])
  t.strictSame(runs, [[1], [2, 3, 4], [2], [3], [4]])
  t.equal(await double(5), 10, 'and it goes on')
})

function doubling(fails = (_calls: number[]) => false) {
  const runs: number[][] = []
  const double = batchCalls(async (calls: number[]) => {
    runs.push(calls)
    if (fails(calls)) throw new Error(`not ${calls}`)
    return calls.map((call) => 2 * call)
  })
  return { runs, double }
}
