import assert from 'node:assert/strict'
import { sweep, sweepNames } from './commands/sweep.ts'
import { jobNames, work } from './commands/work.ts'
import { DAY } from './durations.ts'
import type { Rows } from './rows.ts'
import { moveClock, runCommands } from './run-commands.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import { isOpen, type World } from './world.ts'

const MAX_ROUNDS = 20

/** Lets time pass, and work be done, until nothing is left to do and everything that ends has ended; returns what remains. */
export async function runUntilIdle(world: World, system: SystemUnderTest): Promise<Rows> {
  world.smtp = { at: 'RCPT', code: 0 }
  system.sink.answer.code = 0
  for (let round = 0; isUnfinished(world); round++) {
    assert.ok(round < MAX_ROUNDS, 'it does not come to rest')
    await moveClock(world, system, nextUsefulTime(world))
    await runCommands(world, system, [work(jobNames)])
  }
  await moveClock(world, system, world.now + 100 * DAY)
  return runCommands(world, system, [sweep(...sweepNames)])
}

function isUnfinished({ deletions, mails }: World): boolean {
  return (
    deletions.some(isOpen) ||
    deletions.some((deletion) => deletion.export.status === 'pending') ||
    mails.some(({ status }) => status === 'pending')
  )
}

/** When all that is unfinished can be worked on. */
function nextUsefulTime({ now, deletions, mails }: World): number {
  const archives = deletions.map((deletion) => deletion.export)
  return Math.max(
    now,
    ...deletions.filter(isOpen).flatMap((row) => [row.eraseAfter, row.nextAttemptAt]),
    ...[...archives, ...mails]
      .filter(({ status }) => status === 'pending')
      .map(({ nextAttemptAt }) => nextAttemptAt),
  )
}
