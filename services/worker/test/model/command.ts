import { AccountError } from '@lethe/accounts'
import { LifecycleError } from '@lethe/lifecycle'
import { ConnectionCut } from './cut-off.ts'
import type { Real } from './system-under-test.ts'
import type { World } from './world.ts'

/** What is told to whoever asked; times in milliseconds. */
export type Answer = Record<string, unknown>

export interface Outcome {
  answer: Answer
  /** Puts what the real answer holds, tokens and the like, into the model. */
  keep?(world: World): void
}

/** Which of so many ways it went: the model follows them all, until one fits what is seen. */
export type Choose = (ways: number) => number

/** Something that is done, in the model and for real. */
export interface Deed {
  /**
   * The rule. At each `yield` another process may come between, or this one die;
   * what stands between two of them happens at once or not at all.
   */
  course(world: World, choose: Choose): Generator<void, Answer>
  perform(real: Real): Promise<Outcome>
}

/** Done at once. */
export function atOnce(rule: (world: World) => Answer): Deed['course'] {
  return function* (world) {
    yield
    return rule(world)
  }
}

export const died: Answer = { died: true }

/** What a deed came to for real: an answer, a refusal by a rule, or a death. Anything else is an error. */
export async function outcomeOf(deed: Deed, real: Real): Promise<Outcome> {
  try {
    return await deed.perform(real)
  } catch (error) {
    if (error instanceof ConnectionCut) return { answer: died }
    if (!(error instanceof AccountError || error instanceof LifecycleError)) throw error
    return { answer: refused(error.code, error.members) }
  }
}

export function refused(
  code: AccountError['code'] | LifecycleError['code'],
  { detail: _, ...members }: Answer = {},
): Answer {
  return { code, ...inMilliseconds(members) }
}

/** Plain data, as the model has it. */
export function inMilliseconds(facts: object): Answer {
  return Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [
      name,
      fact instanceof Date ? fact.getTime() : fact,
    ]),
  )
}
