import assert from 'node:assert/strict'
import { sweep, sweepNames } from './commands/sweep.ts'
import { jobNames, work } from './commands/work.ts'
import { DAY } from './durations.ts'
import type { Rows } from './rows.ts'
import { moveClock, settle } from './settle.ts'
import type { Real } from './system-under-test.ts'
import { isOpen, type World } from './world.ts'

const ROUNDS = 20

/** Lets time pass, and work be done, until nothing is left to do and everything that ends has ended; returns what remains. */
export async function comeToRest(world: World, real: Real): Promise<Rows> {
  world.smtp = { at: 'RCPT', code: 0 }
  real.sink.answer.code = 0
  for (let round = 0; isUnfinished(world); round++) {
    assert.ok(round < ROUNDS, 'it does not come to rest')
    await moveClock(world, real, whenFree(world))
    await settle(world, real, [work(jobNames)])
  }
  await moveClock(world, real, world.now + 100 * DAY)
  return settle(world, real, [sweep(...sweepNames)])
}

function isUnfinished({ deletions, mails }: World): boolean {
  return (
    deletions.some(isOpen) ||
    deletions.some((deletion) => deletion.export.status === 'pending') ||
    mails.some(({ status }) => status === 'pending')
  )
}

/** When all that is unfinished can be worked on. */
function whenFree({ now, deletions, mails }: World): number {
  const archives = deletions.map((deletion) => deletion.export)
  return Math.max(
    now,
    ...deletions.filter(isOpen).flatMap((row) => [row.eraseAfter, row.nextAttemptAt]),
    ...[...archives, ...mails]
      .filter(({ status }) => status === 'pending')
      .map(({ nextAttemptAt }) => nextAttemptAt),
  )
}
