import { AccountError } from '@lethe/accounts'
import { LifecycleError } from '@lethe/lifecycle'
import { ConnectionCutError } from './failing-db.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

/** What the caller receives. Times are in milliseconds. */
export type Answer = Record<string, unknown>

export interface Outcome {
  answer: Answer
  /** Copies values that only the system generates, such as tokens, from its answer into the model. */
  updateModel?(world: World): void
}

/** Chooses one of `alternatives` possible outcomes. The model tries all of them until one matches the observed state. */
export type Choose = (alternatives: number) => number

/** An operation on both the model and the system under test. */
export interface Command {
  /**
   * The operation in the model. At each `yield` another process may run or this one may crash. The steps between two
   * `yield`s are atomic.
   */
  modelSteps(world: World, choose: Choose): Generator<void, Answer>
  perform(system: SystemUnderTest): Promise<Outcome>
}

/** Model steps of an operation that is one transaction. */
export function atomically(rule: (world: World) => Answer): Command['modelSteps'] {
  return function* (world) {
    yield
    return rule(world)
  }
}

export const crashed: Answer = { died: true }

/** Runs the command on the system. The outcome is an answer, a refusal or a crash; any other error is thrown. */
export async function performCommand(command: Command, system: SystemUnderTest): Promise<Outcome> {
  try {
    return await command.perform(system)
  } catch (error) {
    if (error instanceof ConnectionCutError) return { answer: crashed }
    if (!(error instanceof AccountError || error instanceof LifecycleError)) throw error
    return { answer: refusal(error.code, error.members) }
  }
}

export function refusal(
  code: AccountError['code'] | LifecycleError['code'],
  { detail: _, ...members }: Answer = {},
): Answer {
  return { code, ...withTimesInMs(members) }
}

/** Converts dates to milliseconds, as in the model. */
export function withTimesInMs(facts: object): Answer {
  return Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [
      name,
      fact instanceof Date ? fact.getTime() : fact,
    ]),
  )
}
