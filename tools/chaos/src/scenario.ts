import type { Checked } from './history/recorder.ts'
import {
  type Environment,
  type EnvironmentOptions,
  openEnvironment,
  type Queue,
} from './system/environment.ts'
import type { Random } from './system/random.ts'

export type { Queue }

/** What a scenario runs with. */
export interface ScenarioContext {
  queue: Queue
  /** The full scenario, or the short form that fits into `pnpm test`. */
  full: boolean
  random: Random
  /** Starts a separate system, which ends with the scenario. */
  openEnvironment(
    options?: Partial<Omit<EnvironmentOptions, 'queue' | 'server'>>,
  ): Promise<Environment>
  /** Prints a line of progress. */
  print(line: string): void
}

export interface Played {
  /** A summary of what was done, with counts. */
  summary: string
  /** How many records the invariants were checked on. */
  checked: Checked
}

/** Also lists the claims that this machine was too slow to judge, one sentence each. */
export interface Outcome extends Played {
  unjudged: string[]
}

export interface Scenario {
  name: string
  /** The claim that it tests, in one sentence. */
  claim: string
  /** The queues on which the claim makes a difference. */
  queues: readonly Queue[]
  /** Throws when the claim does not hold. */
  play(context: ScenarioContext): Promise<Played>
}

export const onBoth: readonly Queue[] = ['redis', 'postgres']

/** A tenth of the Redis count on PostgreSQL: the statements that decide are the same on both queues. */
export function numberOn(queue: Queue, onRedis: number): number {
  return queue === 'redis' ? onRedis : Math.ceil(onRedis / 10)
}

/** Throws `otherwise` unless the condition holds. */
export function claim(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}

export function addUp(parts: Checked[]): Checked {
  const sum: Checked = { changes: 0, answers: 0, mails: 0, deletions: 0, archives: 0 }
  for (const part of parts)
    for (const key of Object.keys(sum) as (keyof Checked)[]) sum[key] += part[key]
  return sum
}

/** Runs one scenario, and closes its environments even if it fails. */
export async function playScenario(
  scenario: Scenario,
  { server, ...rest }: Omit<ScenarioContext, 'openEnvironment'> & { server: string },
): Promise<Outcome> {
  const environments: Environment[] = []
  const open = async (options: Partial<EnvironmentOptions> = {}) => {
    const environment = await openEnvironment({ ...options, queue: rest.queue, server })
    environments.push(environment)
    return environment
  }
  try {
    const played = await scenario.play({ ...rest, openEnvironment: open })
    return { ...played, unjudged: environments.flatMap(({ unjudged }) => unjudged) }
  } finally {
    await Promise.all(environments.map((environment) => environment.close()))
  }
}
