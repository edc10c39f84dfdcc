import t from 'tap'
import { playScenario, type Queue, type Scenario } from '../src/scenario.ts'
import { scenarios } from '../src/scenarios/index.ts'
import { createRandom } from '../src/system/random.ts'

// Runs the short form of every scenario; `pnpm chaos` runs the full one, and repeats a run with the printed seed.
const { TEST_DATABASE_URL: server, TEST_REDIS_URL } = process.env
const seed = Math.floor(Math.random() * 2 ** 31)
const noRedis = TEST_REDIS_URL ? false : 'no redis-server on this machine'

// The queue plays no special part in these scenarios.
const onEither = new Set(['crash-points', 'parts-away', 'hostile-mail', 'races'])

// A scenario mostly waits.
t.jobs = 3
for (const scenario of scenarios)
  for (const queue of onEither.has(scenario.name) ? [either(scenario)] : scenario.queues) {
    const options = { skip: queue === 'redis' && noRedis, buffered: true }
    t.test(`${scenario.claim} (${scenario.name}, ${queue}, seed ${seed})`, options, async (t) => {
      if (!server) throw new Error('TEST_DATABASE_URL is not set: run the tests with `pnpm test`')
      const random = createRandom(seed)
      const print = (line: string) => t.comment(line)
      const { summary, unjudged } = await playScenario(scenario, {
        ...{ queue, full: false, random, server, print },
      })
      t.pass(summary)
      for (const one of unjudged) t.pass(one, { skip: `cannot be judged: ${one}` })
    })
  }

/** Picks one of both at random. */
function either({ queues }: Scenario): Queue {
  return (noRedis ? queues.at(-1) : queues[seed % queues.length]) as Queue
}
