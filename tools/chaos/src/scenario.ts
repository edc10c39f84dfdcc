import type { Checked } from './history/recorder.ts'
import {
  type Environment,
  type EnvironmentOptions,
  openEnvironment,
  type Queue,
} from './system/environment.ts'
import type { Random } from './system/random.ts'

export type { Queue }

/** What a scenario is given to play with. */
export interface ScenarioContext {
  queue: Queue
  /** All of it, or the short form that `pnpm test` has time for. */
  full: boolean
  random: Random
  /** A system of its own, ended with the scenario. */
  openEnvironment(
    options?: Partial<Omit<EnvironmentOptions, 'queue' | 'server'>>,
  ): Promise<Environment>
  /** A line of progress. */
  print(line: string): void
}

export interface Played {
  /** What was done, in numbers and words. */
  summary: string
  /** What the invariants were asked of. */
  checked: Checked
}

/** With what this machine was too slow to judge, each in a sentence. */
export interface Outcome extends Played {
  unjudged: string[]
}

export interface Scenario {
  name: string
  /** What it shows, in one sentence. */
  claim: string
  /** On which queues it says something. */
  queues: readonly Queue[]
  /** Throws what is not as claimed. */
  play(context: ScenarioContext): Promise<Played>
}

export const onBoth: readonly Queue[] = ['redis', 'postgres']

/** So many on Redis, and a tenth as many again on PostgreSQL: what decides is in the same rows. */
export function numberOn(queue: Queue, onRedis: number): number {
  return queue === 'redis' ? onRedis : Math.ceil(onRedis / 10)
}

/** Throws the sentence where the condition does not hold. */
export function claim(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}

export function addUp(parts: Checked[]): Checked {
  const sum: Checked = { changes: 0, answers: 0, mails: 0, deletions: 0, archives: 0 }
  for (const part of parts)
    for (const key of Object.keys(sum) as (keyof Checked)[]) sum[key] += part[key]
  return sum
}

/** Plays one scenario on worlds of its own, and ends them whatever happens. */
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
