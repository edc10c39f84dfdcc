import type { Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { type Link, namesPerson } from '../map/reachable-tables.ts'
import { anyOf, linkFilter, rowsOf } from '../plan/link-graph.ts'
import type { Plan, Step } from '../plan/plan.ts'
import { bytesColumn, namesFiles, stepMarker } from '../plan/step-sql.ts'
import { type RowsByPerson, rowsByPerson, TooManyRowsError } from './row-counts.ts'
import { checkNotGuarded, RowsKeptError } from './rows-kept.ts'

// Most rows reference the person directly. One statement reads all of them first, and each delete then needs no
// `returning`: to return each deleted row would take longer than the deletes.

interface DirectTable {
  table: string
  link: Link
}

/** Undefined if only rows of other tables show to whom these rows belong. */
export function directTable(plan: Plan, step: Step): DirectTable | undefined {
  if (step.rule !== 'delete') return undefined
  const [table = '', ...more] = step.tables
  const [link, ...others] = plan.parents.get(table) ?? []
  if (!link || more.length > 0 || others.length > 0 || !namesPerson(plan.map, link))
    return undefined
  return { table, link }
}

/**
 * Reads all rows that reference these people directly. The people are locked, so no such row can be added afterwards;
 * another transaction can only delete one. Throws `TooManyRowsError` if one table has more than `atMost` rows.
 */
export async function readDirectRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
  atMost: number,
): Promise<RowsByPerson[]> {
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const selects = plan.steps.flatMap((step) => {
    const direct = directTable(plan, step)
    if (!direct) return []
    const { table, link } = direct
    return [
      sql`select ${sql.lit(table)} as name, ${rowsByPerson(namesFiles(plan, step, table))} from (
        select ${personColumn(link)} as person${bytesColumn(plan, step, table)}
        from ${rowsOf(plan, table)} t where ${namesOneOf(link, userIds)}${limit}) l`,
    ]
  })
  if (selects.length === 0) return []
  const { rows } = await sql<RowsByPerson>`${sql.join(selects, sql` union all `)}`.execute(tx)
  const exceeding = rows.find(({ people }) => people.length > atMost)
  if (exceeding) throw new TooManyRowsError(`more than ${atMost} rows of ${exceeding.name}`)
  return rows
}

/** PostgreSQL follows a row that another transaction updates meanwhile. Throws `RowsKeptError` if a row remains. */
export async function eraseDirectRows(
  tx: Tx,
  plan: Plan,
  { table, link }: DirectTable,
  userIds: number[],
  found: number,
): Promise<void> {
  const { numAffectedRows } = await sql`${stepMarker([table])} delete from ${rowsOf(plan, table)} t
    where ${namesOneOf(link, userIds)}`.execute(tx)
  const removed = Number(numAffectedRows)
  if (removed === found) return
  await checkNotGuarded(tx, plan, { table, found, removed })
  const { rows } = await sql`${stepMarker([table])}
    select from ${rowsOf(plan, table)} t where ${namesOneOf(link, userIds)} limit 1`.execute(tx)
  if (rows.length > 0) throw new RowsKeptError(table, found, removed)
}

const personColumn = ({ columns: [column = ''] }: Link) => sql`t.${sql.id(column)}`

function namesOneOf(link: Link, userIds: number[]): RawBuilder<boolean> {
  return sql`${personColumn(link)} = ${anyOf(userIds)}${linkFilter(link)}`
}
