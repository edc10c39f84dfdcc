import { type Outcome, playScenario, type Queue, type Scenario } from './scenario.ts'
import { createRandom } from './system/random.ts'

interface RunOptions {
  scenarios: readonly Scenario[]
  queues: readonly Queue[]
  full: boolean
  seed: number
  /** URL of PostgreSQL. */
  server: string
  print(line: string): void
}

interface Result {
  scenario: Scenario
  queue: Queue
  seconds: number
  played?: Outcome
  failure?: unknown
}

/** A scenario mostly waits, so three run side by side. */
const MAX_AT_ONCE = 3

/** Runs the scenarios and prints a Markdown table of the results; returns the exit code. */
export async function playAll(options: RunOptions): Promise<number> {
  const { scenarios, queues, print, seed, full } = options
  const began = performance.now()
  const waiting = queues.flatMap((queue) =>
    scenarios.filter((one) => one.queues.includes(queue)).map((scenario) => ({ scenario, queue })),
  )
  print(`Seed ${seed}${full ? '' : ', short form'}: ${waiting.length} to play`)
  const outcomes: Result[] = []
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      outcomes.push(await play(next.scenario, next.queue, options))
  }
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, lane))
  print(summary(outcomes, seed, (performance.now() - began) / 60_000))
  return outcomes.some(({ failure }) => failure) ? 1 : 0
}

async function play(scenario: Scenario, queue: Queue, options: RunOptions): Promise<Result> {
  const { full, seed, server } = options
  const name = `${scenario.name} (${queue})`
  const began = performance.now()
  const seconds = () => Math.round((performance.now() - began) / 1_000)
  const print = (line: string) => options.print(`${name}: ${line}`)
  const context = { queue, full, server, print, random: createRandom(seed) }
  try {
    const played = await playScenario(scenario, context)
    print(`✓ ${played.summary} (${seconds()} s)`)
    for (const one of played.unjudged) print(`? cannot be judged: ${one}`)
    return { scenario, queue, seconds: seconds(), played }
  } catch (failure) {
    const again = `pnpm chaos ${scenario.name} --queue ${queue} --seed ${seed}${full ? '' : ' --short'}`
    print(`✗ ${failure instanceof Error ? failure.stack : failure}\n  repeat: ${again}`)
    return { scenario, queue, seconds: seconds(), failure }
  }
}

function summary(outcomes: Result[], seed: number, minutes: number): string {
  const rows = outcomes.map(({ scenario, queue, seconds, played }) => {
    const { changes = 0, answers = 0, mails = 0, deletions = 0 } = played?.checked ?? {}
    const counts = [deletions, answers, mails, changes].map((n) => n.toLocaleString('en'))
    return [scenario.name, queue, played?.summary ?? '**failed**', ...counts, `${seconds} s`]
  })
  const head = ['scenario', 'queue', 'what', 'deletions', 'answers', 'mails', 'changes', 'time']
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  const failed = outcomes.filter(({ failure }) => failure).length
  const unjudged = outcomes.flatMap(({ played }) => played?.unjudged ?? []).length
  const remark =
    unjudged > 0 ? `, ${unjudged} claims cannot be judged on a machine as slow as this` : ''
  const verdict = (failed === 0 ? 'All claims hold' : `${failed} scenarios failed`) + remark
  return `\n${lines.join('\n')}\n\n${verdict}, seed ${seed}, ${minutes.toFixed(1)} minutes.`
}
