import type { Tx } from '@lethe/db'
import { isGuarded } from '../map/row-guards.ts'
import type { Plan } from '../plan/plan.ts'

/** Fewer rows were removed or overwritten than found. The caller must roll back. */
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
 * Called when fewer rows were changed than found. Usually another transaction removed the rest. But if a trigger, rule or
 * policy guards the table, that can be the reason too, so this throws `RowsKeptError`. A retry then shows which it was.
 */
export async function checkNotGuarded(
  tx: Tx,
  plan: Plan,
  { table, found, removed }: { table: string; found: number; removed: number },
): Promise<void> {
  const entry = plan.tables.get(table)
  if (!entry || (await isGuarded(tx, entry))) throw new RowsKeptError(table, found, removed)
}
