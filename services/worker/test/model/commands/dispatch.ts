import { dispatchBatch, dispatchEach, dispatchExports, mayBeClaimed } from '@lethe/lifecycle'
import type { JobName } from '@lethe/queue'
import { sql } from 'kysely'
import { atomically, type Command } from '../command.ts'
import { HOUR } from '../durations.ts'
import { createLease, dispatchRow } from '../leases.ts'
import type { SystemUnderTest } from '../system-under-test.ts'
import type { Deletion, Leased, World } from '../world.ts'

/** Leases the free rows of one kind and adds their jobs, as the relay and the sweep do. */
export function dispatch(name: JobName): Command {
  return {
    modelSteps: atomically((world) => {
      dispatchInModel(world, name)
      return {}
    }),
    async perform(system) {
      await dispatchInSystem(system, name)
      return { answer: {} }
    },
  }
}

/** Returns the number of jobs. */
export function dispatchInModel(world: World, name: JobName): number {
  const free = findFreeRows(world, name)
  const batch = free.filter((row) => isBatched(name, row))
  const individual = free.filter((row) => !batch.includes(row)).map((row) => [row])
  const batches = batch.length > 0 ? [batch, ...individual] : individual
  for (const rows of batches) {
    const lease = createLease(world)
    world.jobs.push({ name, lease })
    for (const row of rows) dispatchRow(world, row, lease)
  }
  return batches.length
}

/** Erasures share a job, and so do exports that have not been attempted yet. */
function isBatched(name: JobName, { attempts }: Leased): boolean {
  return name === 'erase-accounts' || (name === 'export-accounts' && attempts === 0)
}

/** The rows that can be dispatched now for jobs of this name. */
export function findFreeRows(world: World, name: JobName): Leased[] {
  const rows: Leased[] = {
    'send-mail': () => world.mails.filter(isWaiting),
    'export-accounts': () => world.deletions.map((deletion) => deletion.export).filter(isWaiting),
    'erase-accounts': () => world.deletions.filter((deletion) => canBeClaimed(world, deletion)),
  }[name]()
  return rows.filter((row) => row.nextAttemptAt <= world.now)
}

/** It is claimed already, or its date has passed and the promised export is no longer pending or an hour overdue. */
export function canBeClaimed({ now }: World, deletion: Deletion): boolean {
  if (deletion.status === 'erasing') return true
  if (deletion.status !== 'pending' || deletion.eraseAfter > now) return false
  return deletion.eraseAfter <= now - HOUR || !isWaiting(deletion.export)
}

function isWaiting({ status }: { status: string }): boolean {
  return status === 'pending'
}

/** Returns the leases. */
export async function dispatchInSystem(
  { db, deps }: SystemUnderTest,
  name: JobName,
): Promise<string[]> {
  if (name === 'erase-accounts') {
    const lease = await dispatchBatch(db, 'deletions', mayBeClaimed(deps.breakerLimits), 500)
    return lease ? [lease] : []
  }
  return name === 'export-accounts'
    ? dispatchExports(db)
    : dispatchEach(db, 'outbox', sql<boolean>`d.status = 'pending'`, 200)
}
