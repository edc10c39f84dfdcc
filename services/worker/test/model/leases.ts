import { SECOND } from './durations.ts'
import type { Leased, World } from './world.ts'

/** A queued job has this long to be begun, and whoever works this long to show that they are alive. */
const LEASE_MS = 10 * SECOND

export function createLease(world: World): number {
  return world.leases.push(undefined) - 1
}

export function dispatchRow(world: World, row: Leased, lease: number): void {
  row.lease = lease
  row.nextAttemptAt = world.now + LEASE_MS
}

/** Exchanges the job's lease for one of the worker's own. */
export function acquireRow(world: World, row: Leased, lease: number): void {
  row.lease = lease
  row.nextAttemptAt = world.now + LEASE_MS
  row.attempts++
}

export function releaseRow(world: World, row: Leased, delays: readonly number[]): void {
  row.lease = null
  const delay = delays[Math.min(row.attempts, delays.length) - 1] ?? 0
  row.nextAttemptAt = world.now + delay * SECOND
}
