import { AccountError } from '@lethe/accounts'
import { LifecycleError } from '@lethe/lifecycle'
import { ConnectionCutError } from './failing-db.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

/** What is told to whoever asked; times in milliseconds. */
export type Answer = Record<string, unknown>

export interface Outcome {
  answer: Answer
  /** Puts what the real answer holds, tokens and the like, into the model. */
  updateModel?(world: World): void
}

/** Which of so many ways it went: the model follows them all, until one fits what is seen. */
export type Choose = (ways: number) => number

/** Something that is done, in the model and for  system. */
export interface Command {
  /**
   * The rule. At each `yield` another process may come between, or this one die;
   * what stands between two of them happens at once or not at all.
   */
  modelSteps(world: World, choose: Choose): Generator<void, Answer>
  perform(system: SystemUnderTest): Promise<Outcome>
}

/** Done at once. */
export function atomically(rule: (world: World) => Answer): Command['modelSteps'] {
  return function* (world) {
    yield
    return rule(world)
  }
}

export const crashed: Answer = { died: true }

/** What a command came to for real: an answer, a refusal by a rule, or a death. Anything else is an error. */
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

/** Plain data, as the model has it. */
export function withTimesInMs(facts: object): Answer {
  return Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [
      name,
      fact instanceof Date ? fact.getTime() : fact,
    ]),
  )
}
