import type { ScenarioContext } from '../../scenario.ts'
import { requestDeletion } from '../../system/client.ts'
import type { Environment } from '../../system/environment.ts'
import type { FaultProxy } from '../../system/proxy.ts'
import { waitForBacklog } from '../../system/wait-for-backlog.ts'

const USERS = 4
const P99_AT_MOST = 1.2

export interface Traffic {
  deletions: number
  /** Milliseconds: the median over the windows' 99th percentiles. */
  usualP99: number
  awayP99: number
  back: Date
}

/**
 * Sends ten minutes' worth of deletions at two a second, as fast as a few clients can, in windows: Redis is available
 * in every other one and refusing or silent in the rest. Load from elsewhere hits both kinds alike.
 */
export async function redisAway(
  { full, print }: ScenarioContext,
  environment: Environment,
  link: FaultProxy,
): Promise<Traffic> {
  const [windows, size] = full ? [12, 100] : [2, 15]
  const usual: number[] = []
  const away: number[] = []
  const busy = { usual: 0, away: 0 }
  const begin = environment.mark()
  let back = new Date()
  for (let window = 0; window < windows; window++) {
    usual.push(p99(await ask(environment, size, () => busy.usual++)))
    if (window % 2 === 0) await link.cut()
    else link.freeze()
    away.push(p99(await ask(environment, size, () => busy.away++)))
    await link.mend()
    back = new Date()
    await waitForBacklog(environment.db)
    if (window % 4 === 3) print(`${(window + 1) * size} deletions were asked without Redis`)
  }
  const [usualP99, awayP99] = [median(usual), median(away)]
  const observed = `${awayP99.toFixed(0)} ms without Redis and ${usualP99.toFixed(0)} ms with it`
  // The short form has too few requests for a 99th percentile.
  const span = { begin, end: environment.mark() }
  await environment.claimUnlessSlow(
    busy.away <= busy.usual + 2,
    `without Redis ${busy.away} DELETEs were answered with 503`,
    span,
  )
  await environment.claimUnlessSlow(
    !full || awayP99 <= P99_AT_MOST * usualP99,
    `p99 is ${observed}`,
    span,
  )
  return { deletions: windows * size, usualP99, awayP99, back }
}

/**
 * Requests `count` deletions; each gets a 202, possibly after a 503 from an overloaded PostgreSQL. Returns how long
 * each took.
 */
async function ask(environment: Environment, count: number, onBusy: () => void): Promise<number[]> {
  const people = await environment.people(count, { pictureOf: 0, savedPasswords: 1 })
  const took: number[] = []
  const user = async () => {
    for (let person = people.pop(); person; person = people.pop()) {
      const began = performance.now()
      await requestDeletion(environment.client, person, onBusy)
      took.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: USERS }, user))
  return took
}

function p99(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
