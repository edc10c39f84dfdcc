import assert from 'node:assert/strict'
import { sweep, sweepNames } from './commands/sweep.ts'
import { jobNames, work } from './commands/work.ts'
import { DAY } from './durations.ts'
import type { Rows } from './rows.ts'
import { moveClock, runCommands } from './run-commands.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import { isOpen, type World } from './world.ts'

const MAX_ROUNDS = 20

/** Advances the clock and works until all deletions, exports and mails have ended or expired. Returns the remaining rows. */
export async function runUntilIdle(world: World, system: SystemUnderTest): Promise<Rows> {
  world.smtp = { at: 'RCPT', code: 0 }
  system.sink.answer.code = 0
  for (let round = 0; isUnfinished(world); round++) {
    assert.ok(round < MAX_ROUNDS, 'the system becomes idle')
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

/** The earliest time at which a worker can handle everything that is unfinished. */
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
