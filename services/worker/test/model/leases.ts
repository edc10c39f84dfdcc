import { SECOND } from './durations.ts'
import type { Leased, World } from './world.ts'

/** The time in which a queued job must start, or a running worker must renew its lease. */
const LEASE_MS = 10 * SECOND

export function createLease(world: World): number {
  return world.leases.push(undefined) - 1
}

export function dispatchRow(world: World, row: Leased, lease: number): void {
  row.lease = lease
  row.nextAttemptAt = world.now + LEASE_MS
}

/** Exchanges the lease of the job for a lease of the worker. */
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
