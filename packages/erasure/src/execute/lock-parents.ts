import type { Tx } from '@lethe/db'
import { sql } from 'kysely'
import { anyOf, findRows, rowsFound, rowsOf } from '../plan/link-graph.ts'
import { type Plan, parentLinks } from '../plan/plan.ts'

/**
 * Locks each row on which others hang, from the people downwards. Whoever is writing a row that hangs on one of them holds
 * a lock on it that we wait for, by its foreign key or by the fence; nobody can begin to after us. So what is found from
 * here on is all there is, and nothing is left behind by an erasure that somebody writes into. Returns who of them is there.
 */
export async function lockParents(tx: Tx, plan: Plan, userIds: number[]): Promise<number[]> {
  const { person } = plan.map
  const { rows } = await sql<{ ids: number[] }>`
    select coalesce(json_agg(id), '[]') as ids from (
      select t.${sql.id(person.key)} as id from ${rowsOf(plan, person.table)} t
      where t.${sql.id(person.key)} = ${anyOf(userIds)} order by 1 for update) held`.execute(tx)
  const holding = new Set(parentLinks(plan).map(({ target }) => target))
  holding.delete(person.table)
  for (const step of plan.steps.toReversed()) {
    if (step.rule === 'clear') continue
    const tables = step.tables.filter((table) => holding.has(table))
    // In a cycle what has come to hang on a row before we held it may have come to hold others.
    let held = 0
    for (let before = -1; held > before; ) {
      before = held
      held = 0
      for (const table of tables) held += await lockRows(tx, plan, table, userIds)
      if (!plan.cycles.includes(step.tables)) break
    }
  }
  return rows[0]?.ids ?? []
}

async function lockRows(tx: Tx, plan: Plan, table: string, userIds: number[]): Promise<number> {
  const { rows } = await sql`
    ${findRows(plan, anyOf(userIds), [table])}
    select from ${rowsFound(plan, table)} order by b.table_oid, b.ctid for update of t`.execute(tx)
  return rows.length
}
