import fc, { type RunDetails } from 'fast-check'
import { anyCommand, type FastCheckCommand } from './commands.ts'
import { restoreInitialState } from './initial-state.ts'
import { checkInvariants } from './invariants.ts'
import { runUntilIdle } from './run-until-idle.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import type { World } from './world.ts'

const MAX_COMMANDS = 40
/** The time for shrinking a failed run. */
const SHRINK_TIMEOUT_MS = 60_000
const PROGRESS_INTERVAL_MS = 10_000

interface RunOptions {
  runs: number
  seed: number | undefined
  path: string | undefined
  replayPath: string | undefined
  print(line: string): void
}

interface Failure {
  seed: number
  path: string
  replayPath: string
  /** The commands up to the failure. */
  done: string[]
  error: unknown
}

/** Executes random runs, each from the same initial state until the system is idle. */
export async function runMany(
  system: SystemUnderTest,
  initialState: World,
  { runs, seed, path, replayPath, print }: RunOptions,
): Promise<{ failure?: Failure; summary: string }> {
  const tally = newTally()
  let failed: { at: number; done: string[] } | undefined
  let lastPrintedAt = performance.now()
  const runOnce = async (commands: Iterable<FastCheckCommand>) => {
    if (failed && performance.now() - failed.at > SHRINK_TIMEOUT_MS) return
    const world = await restoreInitialState(system, initialState)
    try {
      await fc.asyncModelRun(() => ({ model: world, real: system }), commands)
      await checkInvariants(world, system, await runUntilIdle(world, system))
    } catch (error) {
      failed = { at: failed?.at ?? performance.now(), done: world.done }
      throw error
    }
    if (!failed) count(tally, world)
    if (performance.now() - lastPrintedAt < PROGRESS_INTERVAL_MS) return
    lastPrintedAt = performance.now()
    print(failed ? `shrinking a failure: ${failed.done.length} steps` : formatTally(tally, runs))
  }
  const commands = fc.commands([anyCommand], {
    maxCommands: MAX_COMMANDS,
    size: 'max',
    ...(replayPath && { replayPath }),
  })
  const details = await fc.check(fc.asyncProperty(commands, runOnce), {
    numRuns: runs,
    ...(seed !== undefined && { seed }),
    ...(path && { path }),
  })
  const summary = formatTally(tally, runs)
  print(summary)
  return details.failed ? { failure: toFailure(details, failed?.done ?? []), summary } : { summary }
}

function toFailure(details: RunDetails<[Iterable<FastCheckCommand>]>, done: string[]): Failure {
  const { seed, counterexamplePath, counterexample, errorInstance: error } = details
  const [, replayPath = ''] = /replayPath="([^"]*)"/.exec(fc.stringify(counterexample)) ?? []
  return { seed, path: counterexamplePath ?? '', replayPath, done, error }
}

export function describeFailure({ seed, path, replayPath, done, error }: Failure): string {
  const environment = `MODEL_SEED=${seed} MODEL_PATH=${path} MODEL_REPLAY_PATH='${replayPath}'`
  return [
    'The run fails after:',
    ...done.map((step) => `  ${step}`),
    `Repeat it with: ${environment}`,
    String(error),
  ].join('\n')
}

const newTally = () => ({
  runs: 0,
  steps: 0,
  deletions: 0,
  cancelled: 0,
  erased: 0,
  returned: 0,
  mails: 0,
})

function count(
  tally: ReturnType<typeof newTally>,
  { done, deletions, mails, people }: World,
): void {
  const named = new Set(people.map(({ email }) => email.toLowerCase()))
  tally.runs++
  tally.steps += done.length
  tally.deletions += deletions.length
  tally.cancelled += deletions.filter(({ status }) => status === 'cancelled').length
  tally.erased += deletions.filter(({ status }) => status === 'erased').length
  tally.returned += people.length - named.size
  tally.mails += mails.reduce((sum, { sentTo }) => sum + sentTo.length, 0)
}

function formatTally({ runs: finished, ...of }: ReturnType<typeof newTally>, runs: number): string {
  const { steps, deletions, cancelled, erased, returned, mails } = of
  return `${finished} of ${runs} runs: ${steps} steps, ${deletions} deletions, ${cancelled} cancelled, ${erased} erased, ${returned} signed up again, ${mails} mails sent`
}
