import { dispatchBatch, dispatchEach, dispatchExports, mayBeClaimed } from '@lethe/lifecycle'
import type { JobName } from '@lethe/queue'
import { sql } from 'kysely'
import { atOnce, type Deed } from '../command.ts'
import { HOUR } from '../durations.ts'
import { lendTo, newLease } from '../leases.ts'
import type { Real } from '../system-under-test.ts'
import type { Deletion, Leased, World } from '../world.ts'

/** Leases what is free of one kind and tells of the jobs to be queued, as the relay and the sweep do. */
export function lend(name: JobName): Deed {
  return {
    course: atOnce((world) => {
      lendFree(world, name)
      return {}
    }),
    async perform(real) {
      await lendReal(real, name)
      return { answer: {} }
    },
  }
}

/** The number of jobs. */
export function lendFree(world: World, name: JobName): number {
  const free = freeRows(world, name)
  const together = free.filter((row) => goesTogether(name, row))
  const alone = free.filter((row) => !together.includes(row)).map((row) => [row])
  const batches = together.length > 0 ? [together, ...alone] : alone
  for (const rows of batches) {
    const lease = newLease(world)
    world.jobs.push({ name, lease })
    for (const row of rows) lendTo(world, row, lease)
  }
  return batches.length
}

/** Exports as long as nobody has tried to make them. */
function goesTogether(name: JobName, { attempts }: Leased): boolean {
  return name === 'erase-accounts' || (name === 'export-accounts' && attempts === 0)
}

/** What a job of this name could be made of now. */
export function freeRows(world: World, name: JobName): Leased[] {
  const rows: Leased[] = {
    'send-mail': () => world.mails.filter(isWaiting),
    'export-accounts': () => world.deletions.map((deletion) => deletion.export).filter(isWaiting),
    'erase-accounts': () => world.deletions.filter((deletion) => canBeClaimed(world, deletion)),
  }[name]()
  return rows.filter((row) => row.nextAttemptAt <= world.now)
}

/** Its date has passed, and the promised export is made or an hour overdue; or there is no way back any more. */
export function canBeClaimed({ now }: World, deletion: Deletion): boolean {
  if (deletion.status === 'erasing') return true
  if (deletion.status !== 'pending' || deletion.eraseAfter > now) return false
  return deletion.eraseAfter <= now - HOUR || !isWaiting(deletion.export)
}

function isWaiting({ status }: { status: string }): boolean {
  return status === 'pending'
}

/** Returns the leases. */
export async function lendReal({ db, deps }: Real, name: JobName): Promise<string[]> {
  if (name === 'erase-accounts') {
    const lease = await dispatchBatch(db, 'deletions', mayBeClaimed(deps.breakerLimits), 500)
    return lease ? [lease] : []
  }
  return name === 'export-accounts'
    ? dispatchExports(db)
    : dispatchEach(db, 'outbox', sql<boolean>`d.status = 'pending'`, 200)
}
