import fc, { type RunDetails } from 'fast-check'
import { anyCommand, type Command } from './commands.ts'
import { beginAgain } from './initial-state.ts'
import { holdToPromises } from './invariants.ts'
import { comeToRest } from './rest.ts'
import type { Real } from './system-under-test.ts'
import type { World } from './world.ts'

const COMMANDS_AT_MOST = 40
/** For making a life that failed shorter. */
const SHRINKING_MS = 60_000
const TELL_EVERY_MS = 10_000

interface Lives {
  runs: number
  seed: number | undefined
  path: string | undefined
  replayPath: string | undefined
  tell(line: string): void
}

interface Failure {
  seed: number
  path: string
  replayPath: string
  /** What was done until it failed. */
  done: string[]
  error: unknown
}

/** Lives many random lives, each from the same beginning until everything is at rest. */
export async function liveMany(
  real: Real,
  first: World,
  { runs, seed, path, replayPath, tell }: Lives,
): Promise<{ failure?: Failure; summary: string }> {
  const tally = newTally()
  let failed: { at: number; done: string[] } | undefined
  let told = performance.now()
  const life = async (commands: Iterable<Command>) => {
    if (failed && performance.now() - failed.at > SHRINKING_MS) return
    const world = await beginAgain(real, first)
    try {
      await fc.asyncModelRun(() => ({ model: world, real }), commands)
      await holdToPromises(world, real, await comeToRest(world, real))
    } catch (error) {
      failed = { at: failed?.at ?? performance.now(), done: world.done }
      throw error
    }
    if (!failed) count(tally, world)
    if (performance.now() - told < TELL_EVERY_MS) return
    told = performance.now()
    tell(failed ? `making a failure shorter: ${failed.done.length} steps` : inWords(tally, runs))
  }
  const commands = fc.commands([anyCommand], {
    ...{ maxCommands: COMMANDS_AT_MOST, size: 'max' as const },
    ...(replayPath && { replayPath }),
  })
  const details = await fc.check(fc.asyncProperty(commands, life), {
    numRuns: runs,
    ...(seed !== undefined && { seed }),
    ...(path && { path }),
  })
  const summary = inWords(tally, runs)
  tell(summary)
  return details.failed ? { failure: failureOf(details, failed?.done ?? []), summary } : { summary }
}

function failureOf(details: RunDetails<[Iterable<Command>]>, done: string[]): Failure {
  const { seed, counterexamplePath, counterexample, errorInstance: error } = details
  const [, replayPath = ''] = /replayPath="([^"]*)"/.exec(fc.stringify(counterexample)) ?? []
  return { seed, path: counterexamplePath ?? '', replayPath, done, error }
}

export function describeFailure({ seed, path, replayPath, done, error }: Failure): string {
  const again = `MODEL_SEED=${seed} MODEL_PATH=${path} MODEL_REPLAY_PATH='${replayPath}'`
  return [
    'It fails after:',
    ...done.map((step) => `  ${step}`),
    `Again: ${again}`,
    String(error),
  ].join('\n')
}

const newTally = () => ({
  lives: 0,
  steps: 0,
  deletions: 0,
  cancelled: 0,
  erased: 0,
  back: 0,
  mails: 0,
})

function count(
  tally: ReturnType<typeof newTally>,
  { done, deletions, mails, people }: World,
): void {
  const named = new Set(people.map(({ email }) => email.toLowerCase()))
  tally.lives++
  tally.steps += done.length
  tally.deletions += deletions.length
  tally.cancelled += deletions.filter(({ status }) => status === 'cancelled').length
  tally.erased += deletions.filter(({ status }) => status === 'erased').length
  tally.back += people.length - named.size
  tally.mails += mails.reduce((sum, { left }) => sum + left.length, 0)
}

function inWords({ lives, ...of }: ReturnType<typeof newTally>, runs: number): string {
  const { steps, deletions, cancelled, erased, back, mails } = of
  return `${lives} of ${runs} lives: ${steps} steps, ${deletions} deletions, ${cancelled} cancelled, ${erased} erased, ${back} came back, ${mails} mails left`
}
