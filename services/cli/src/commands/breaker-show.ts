import type { Db } from '@lethe/db'
import {
  describeTrip,
  type HeldDeletions,
  readCountedDeletions,
  readHeldDeletions,
  summarizeHeldDeletions,
  type Trip,
} from '@lethe/lifecycle'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

export const showBreaker: Command = async (_args, { db, print }) => {
  const holding = await readHeldDeletions(db)
  const { now, established, fresh } = await readCountedDeletions(db)
  if (holding.length === 0) {
    print(
      `The breaker is closed. Deletions that count now: established accounts ${established}, new accounts ${fresh}.`,
    )
    return 0
  }
  for (const held of holding) await printTrip(db, held, print)
  const hasBothKinds = holding.length > 1
  print(`The database's clock says ${now.toISOString().slice(0, 19)}Z.

Check three things: the clock is right, people did ask for these deletions, and this is the date they were promised. Then release them:
${holding.map((held) => `  pnpm lethe breaker release ${numberToRelease(held)}${hasBothKinds ? ` ${kindOf(held.trip)}` : ''}`).join('\n')}
If one of them is not so, correct it first (docs/operations.md): a deletion that is no longer due is no longer held.`)
  return 1
}

async function printTrip(
  db: Db,
  { trip, held, since }: HeldDeletions,
  print: (line: string) => void,
) {
  print(describeTrip(trip))
  if (trip.released !== null) print(`A release of ${trip.released} is under way.`)
  print(
    `Held: ${held}. Due since then, and held only if they exceed the limits too: ${since}. Each of these people can still cancel.`,
  )
  if (held > 0) print(`\n${table(await summarizeHeldDeletions(db, trip))}\n`)
}

/** The number that `breaker release` takes: for a release that is under way, the number it began with. */
function numberToRelease({ trip, held }: HeldDeletions): number {
  return trip.released ?? held
}

function kindOf({ newAccounts }: Trip): string {
  return newAccounts ? 'new' : 'established'
}
