import type { Tx } from '@lethe/db'
import { isGuarded } from '../map/row-guards.ts'
import type { Plan } from '../plan/plan.ts'

/** An erasure would not be true: the transaction is to be rolled back. */
export class RowsKeptError extends Error {
  override name = 'RowsKeptError'
  readonly table: string
  readonly found: number
  readonly removed: number

  constructor(table: string, found: number, removed: number) {
    super(
      `${table}: ${found} rows were found and ${removed} removed or overwritten; look for a trigger, a rule or a policy that keeps rows, and remove it`,
    )
    this.table = table
    this.found = found
    this.removed = removed
  }
}

/**
 * Fewer rows were changed than found. Another transaction may have removed the rest in between; but where anything
 * guards the table, it is not known whether that is why, and a second try finds the same only if it is not.
 */
export async function checkNotGuarded(
  tx: Tx,
  plan: Plan,
  { table, found, removed }: { table: string; found: number; removed: number },
): Promise<void> {
  const facts = plan.tables.get(table)
  if (!facts || (await isGuarded(tx, facts))) throw new RowsKeptError(table, found, removed)
}
