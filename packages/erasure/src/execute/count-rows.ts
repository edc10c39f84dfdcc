import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { anyOf, findRows } from '../plan/link-graph.ts'
import type { Plan } from '../plan/plan.ts'
import { stepRows } from '../plan/step-sql.ts'

/** How many rows of each table the plan would erase, or overwrite, for this person. */
export async function countRows(
  db: Db,
  plan: Plan,
  userId: number,
): Promise<Record<string, number>> {
  const counted = plan.steps.flatMap((step) =>
    stepRows(plan, step).map(
      ({ name, rows }) => sql`select ${sql.lit(name)} as name, count(*) as rows from (${rows}) r`,
    ),
  )
  const { rows } = await sql<{ name: string; rows: number }>`
    ${findRows(plan, anyOf([userId]))} ${sql.join(counted, sql` union all `)}`.execute(db)
  return Object.fromEntries(rows.map(({ name, rows }) => [name, rows]))
}
