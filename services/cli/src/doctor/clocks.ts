import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { ok, wrong } from './finding.ts'

const MAX_CLOCK_DIFFERENCE_MS = 2_000
const MEASUREMENTS = 3

export async function checkClocks({ db }: { db: Db }) {
  const { ahead, uncertain } = await compareClocks(db)
  const apart = `${(Math.abs(ahead) / 1_000).toFixed(1)} s`
  // Subtract the difference that the network round trip may explain.
  if (Math.abs(ahead) - uncertain <= MAX_CLOCK_DIFFERENCE_MS)
    return [ok(`this machine and the database are ${apart} apart`)]
  return [
    wrong(
      `this machine is ${apart} ${ahead > 0 ? 'ahead of' : 'behind'} the database`,
      'run timedatectl set-ntp true on this machine and on that of the database',
    ),
  ]
}

/** Milliseconds by which this machine is ahead, and their uncertainty, from the fastest of a few round trips. */
async function compareClocks(db: Db): Promise<{ ahead: number; uncertain: number }> {
  let best = { ahead: 0, uncertain: Number.POSITIVE_INFINITY }
  for (let n = 0; n < MEASUREMENTS; n++) {
    const [before, start] = [Date.now(), performance.now()]
    const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
    const uncertain = (performance.now() - start) / 2
    const theirs = rows[0]?.now.getTime() ?? Number.NaN
    if (uncertain < best.uncertain) best = { ahead: before + uncertain - theirs, uncertain }
  }
  return best
}
