import type { Tx } from '@lethe/db'
import { sql } from 'kysely'
import { anyOf, findRows, joinFoundRows, rowsOf } from '../plan/link-graph.ts'
import { type Plan, parentLinks } from '../plan/plan.ts'

/**
 * Locks parent rows top-down, from the people to their descendants. A concurrent insert of a child locks its parent, by the
 * foreign key or the fence: this transaction waits for it, and no child can be added afterwards. So the searches that follow
 * are complete. Returns the ids of the people that exist.
 */
export async function lockParents(tx: Tx, plan: Plan, userIds: number[]): Promise<number[]> {
  const { person } = plan.map
  const { rows } = await sql<{ ids: number[] }>`
    select coalesce(json_agg(id), '[]') as ids from (
      select t.${sql.id(person.key)} as id from ${rowsOf(plan, person.table)} t
      where t.${sql.id(person.key)} = ${anyOf(userIds)} order by 1 for update) held`.execute(tx)
  const parentTables = new Set(parentLinks(plan).map(({ target }) => target))
  parentTables.delete(person.table)
  for (const step of plan.steps.toReversed()) {
    if (step.rule === 'anonymize') continue
    const tables = step.tables.filter((table) => parentTables.has(table))
    // In a cycle, a child that was added before its parent was locked can itself be a parent: repeat until no row is new.
    let locked = 0
    for (let before = -1; locked > before; ) {
      before = locked
      locked = 0
      for (const table of tables) locked += await lockRows(tx, plan, table, userIds)
      if (!plan.cycles.includes(step.tables)) break
    }
  }
  return rows[0]?.ids ?? []
}

async function lockRows(tx: Tx, plan: Plan, table: string, userIds: number[]): Promise<number> {
  const { rows } = await sql`
    ${findRows(plan, anyOf(userIds), [table])}
    select from ${joinFoundRows(plan, table)} order by b.table_oid, b.ctid for update of t`.execute(
    tx,
  )
  return rows.length
}
