import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { holdsWithin, judge, slowness, startStopwatch, until } from '../src/index.ts'

t.test('returns the first answer that is neither empty nor false', async (t) => {
  const answers = [undefined, null, false, 0, '', 'here']
  t.equal(await until('an answer', () => answers.shift()), 'here')
})

t.test('says what it waited for, and for how long', async (t) => {
  await t.rejects(
    until('the mail', () => false, 100),
    { message: /^not within \d+\.\d s.*: the mail$/ },
  )
})

t.test('ends although the condition never answers', async (t) => {
  await t.rejects(
    until('an answer', () => new Promise<true>(() => {}), 100),
    /an answer/,
  )
})

t.test('passes on what the condition throws', async (t) => {
  const failing = until('a server', () => Promise.reject(new Error('it has ended')))
  await t.rejects(failing, { message: 'it has ended' })
})

t.test(
  'a bound lasts longer while three busy processes per core slow the machine down',
  async (t) => {
    await busyProcesses(t, 3 * availableParallelism())
    const watch = startStopwatch()
    await t.rejects(
      until('what never comes', () => false, 600),
      /times slower than usual/,
    )
    t.ok(watch.ms() > 2 * 600, `waited ${watch.ms().toFixed(0)} ms`)
    t.ok(slowness() > 2, `${slowness().toFixed(1)} times slower`)
    t.ok(watch.slowestOver(500) > 2, `${watch.slowestOver(500).toFixed(1)} times slower`)
    const average = watch.slownessBetween(200, watch.ms())
    t.ok(average > 1.5 && average <= 40, `${average.toFixed(1)} times slower on average`)
    watch.stop()
  },
)

t.test('breaks a claim only if the reference machine would break it too', async (t) => {
  const boundMs = 2_000
  t.equal(judge({ ms: 2_000, boundMs, slower: 1 }), 'holds')
  t.equal(judge({ ms: 2_001, boundMs, slower: 1 }), 'broken')
  t.equal(judge({ ms: 7_900, boundMs, slower: 4 }), 'cannot be judged')
  t.equal(judge({ ms: 8_100, boundMs, slower: 4 }), 'broken')
  t.equal(judge({ ms: 1_900, boundMs, slower: 4 }), 'holds')
})

t.test('skips a claim that cannot be judged, with the reason', async (t) => {
  const heard: unknown[] = []
  const tap = {
    pass: (...said: unknown[]) => heard.push(said),
    fail: (...said: unknown[]) => heard.push(said),
  } as unknown as Test
  const watch = (slower: number) => ({
    ms: () => 8_000,
    referenceMs: () => 8_000 / slower,
    slowestOver: () => slower,
    slownessBetween: () => slower,
    sample: async () => {},
    stop: () => {},
  })
  await holdsWithin(tap, watch(5), 2_000, 'it closes')
  await holdsWithin(tap, watch(2), 2_000, 'it closes')
  t.match(heard, [
    [
      'it closes',
      { skip: /^cannot be judged: 8 s instead of 2 s, on a machine 5\.0 times slower/ },
    ],
    [/^it closes: 8 s instead of 2 s, on a machine 2\.0 times slower/],
  ])
})

/** Runs `count` busy processes until the test ends. */
async function busyProcesses(t: Test, count: number): Promise<void> {
  const busy: ChildProcess[] = []
  t.teardown(() => busy.map((child) => child.kill('SIGKILL')))
  for (let n = 0; n < count; n++)
    busy.push(spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' }))
  await Promise.all(busy.map((child) => once(child, 'spawn')))
  await pause(200)
}
