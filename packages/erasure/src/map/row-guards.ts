import type { Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import type { Table } from './table.ts'

// Triggers, rules and policies can keep a row that a statement deletes, or restore a value that it overwrites. The queries
// search the table `c` and its partitions, whose own triggers run too.

export const partitions = sql.raw('(select relid from pg_partition_tree(c.oid) union select c.oid)')

/** Triggers before each row of a delete or update (1 + 2, 8, 16). Lethe's fences are left out: they refuse a row but never keep one. */
export const rowTriggers: RawBuilder<unknown> = sql`
  select distinct tgname as name, tgtype & 8 <> 0 as deletes, tgtype & 16 <> 0 as updates from pg_trigger
  where tgrelid in ${partitions} and tgparentid = 0 and not tgisinternal and tgenabled in ('O', 'A')
    and tgtype & 3 = 3 and tgtype & 24 <> 0
    and (tgtype & 8 <> 0 or tgfoid not in (to_regprocedure('lethe.refuse_late_row()'), to_regprocedure('lethe.refuse_row()')))`

/** Rules on update (2) and on delete (4). */
export const rules: RawBuilder<unknown> = sql`
  select distinct rulename as name from pg_rewrite
  where ev_class in ${partitions} and ev_type in ('2', '4') and ev_enabled in ('O', 'A')`

/** Whether policies apply to this role, regardless of session settings. */
export const rowSecurity: RawBuilder<unknown> = sql`
  exists (select from ${partitions} part where row_security_active(relid))`

/** Whether anything could have kept rows of the table. This transaction has written to it, so no other can alter it now. */
export async function isGuarded(tx: Tx, { schema, relation }: Table): Promise<boolean> {
  const { rows } = await sql<{ guarded: boolean }>`
    select exists (${rowTriggers}) or exists (${rules}) or ${rowSecurity} as guarded
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname = ${schema} and relname = ${relation}`.execute(tx)
  return rows[0]?.guarded ?? true
}
