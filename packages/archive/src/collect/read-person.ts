import type { Snapshot, SnapshotPool } from '@lethe/db'
import { type Plan, personRows } from '@lethe/erasure'
import { type RawBuilder, sql } from 'kysely'
import { datasetsOf } from './datasets.ts'

/** Hands over all that is a person's, of one snapshot: first their number, as long as they are there; then kind by kind. */
export type ReadPerson = <T>(read: (rows: Snapshot) => Promise<T>) => Promise<T>

/** Read while it is written, however much it is. When `signal` aborts, the reading is cut off. */
export function personReader(
  readers: SnapshotPool,
  plan: Plan,
  userId: number,
  signal: AbortSignal,
): ReadPerson {
  return (read) => readers.snapshot(signal, rowsOf(plan, sql`${userId}::bigint`), read)
}

/** What to ask for, of whoever has this number, an expression. */
export function rowsOf(plan: Plan, person: RawBuilder<unknown>): RawBuilder<unknown>[] {
  const { table, key } = plan.map.person
  return [
    personRows(plan, table, person, [key]),
    ...datasetsOf(plan).map((kind) => kind.rows(person)),
  ]
}
