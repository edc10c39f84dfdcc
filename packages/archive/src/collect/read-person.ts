import type { Snapshot, SnapshotPool } from '@lethe/db'
import { type Plan, personRows } from '@lethe/erasure'
import { type RawBuilder, sql } from 'kysely'
import { getDatasets } from './datasets.ts'

/** Provides the rows of a person from one snapshot: first their id, empty if they no longer exist; then each dataset. */
export type ReadPerson = <T>(read: (rows: Snapshot) => Promise<T>) => Promise<T>

/** Streams rows of any size while the archive is written. When `signal` aborts, the connection is cut. */
export function createPersonReader(
  readers: SnapshotPool,
  plan: Plan,
  userId: number,
  signal: AbortSignal,
): ReadPerson {
  return (read) => readers.snapshot(signal, buildQueries(plan, sql`${userId}::bigint`), read)
}

/** The queries for the person whose key this expression yields. */
export function buildQueries(plan: Plan, person: RawBuilder<unknown>): RawBuilder<unknown>[] {
  const { table, key } = plan.map.person
  return [
    personRows(plan, table, person, [key]),
    ...getDatasets(plan).map((dataset) => dataset.rows(person)),
  ]
}
