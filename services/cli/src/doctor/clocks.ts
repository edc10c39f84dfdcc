import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { ok, wrong } from './finding.ts'

const APART_AT_MOST_MS = 2_000
const ASKS = 3

export async function checkClocks({ db }: { db: Db }) {
  const { ahead, uncertain } = await compare(db)
  const apart = `${(Math.abs(ahead) / 1_000).toFixed(1)} s`
  // What the way there and back may explain is nobody's fault.
  if (Math.abs(ahead) - uncertain <= APART_AT_MOST_MS)
    return [ok(`this machine and the database are ${apart} apart`)]
  return [
    wrong(
      `this machine is ${apart} ${ahead > 0 ? 'ahead of' : 'behind'} the database`,
      'timedatectl set-ntp true, on this machine and on that of the database',
    ),
  ]
}

/** Milliseconds by which this machine is ahead, give or take; from the fastest of a few answers. */
async function compare(db: Db): Promise<{ ahead: number; uncertain: number }> {
  let best = { ahead: 0, uncertain: Number.POSITIVE_INFINITY }
  for (let ask = 0; ask < ASKS; ask++) {
    const [before, start] = [Date.now(), performance.now()]
    const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
    const uncertain = (performance.now() - start) / 2
    const theirs = rows[0]?.now.getTime() ?? Number.NaN
    if (uncertain < best.uncertain) best = { ahead: before + uncertain - theirs, uncertain }
  }
  return best
}
