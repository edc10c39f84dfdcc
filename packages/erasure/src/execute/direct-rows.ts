import type { Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { type Link, namesPerson } from '../map/reachable-tables.ts'
import { anyOf, fits, rowsOf } from '../plan/link-graph.ts'
import type { Plan, Step } from '../plan/plan.ts'
import { bytesOf, namesFiles, titleOf } from '../plan/step-sql.ts'
import { type RowsByPerson, rowsByPerson, TooManyRowsError } from './row-counts.ts'
import { checkNotGuarded, RowsKeptError } from './rows-kept.ts'

// Most rows name the person themselves, and that alone makes them theirs. They are told first, all of them by one
// statement, and go by what they name: to have each told as it goes would take longer than the deletes.

interface DirectTable {
  table: string
  link: Link
}

/** Undefined where rows of other tables have to be asked whose they are. */
export function directTable(plan: Plan, step: Step): DirectTable | undefined {
  if (step.rule !== 'delete') return undefined
  const [table = '', ...more] = step.tables
  const [link, ...others] = plan.parents.get(table) ?? []
  if (!link || more.length > 0 || others.length > 0 || !namesPerson(plan.map, link))
    return undefined
  return { table, link }
}

/**
 * None can come any more, since the people are held; one that somebody else deletes before we do is gone as well. Throws
 * `TooManyRowsError` where there are more than `atMost` of one table.
 */
export async function readDirectRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
  atMost: number,
): Promise<RowsByPerson[]> {
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const told = plan.steps.flatMap((step) => {
    const named = directTable(plan, step)
    if (!named) return []
    const { table, link } = named
    return [
      sql`select ${sql.lit(table)} as name, ${rowsByPerson(namesFiles(plan, step, table))} from (
        select ${whose(link)} as person${bytesOf(plan, step, table)}
        from ${rowsOf(plan, table)} t where ${theirs(link, userIds)}${limit}) l`,
    ]
  })
  if (told.length === 0) return []
  const { rows } = await sql<RowsByPerson>`${sql.join(told, sql` union all `)}`.execute(tx)
  const crowded = rows.find(({ people }) => people.length > atMost)
  if (crowded) throw new TooManyRowsError(`more than ${atMost} rows of ${crowded.name}`)
  return rows
}

/** PostgreSQL follows a row that another transaction changes meanwhile. Throws `RowsKeptError` where any of those found stays. */
export async function eraseDirectRows(
  tx: Tx,
  plan: Plan,
  { table, link }: DirectTable,
  userIds: number[],
  found: number,
): Promise<void> {
  const { numAffectedRows } = await sql`${titleOf([table])} delete from ${rowsOf(plan, table)} t
    where ${theirs(link, userIds)}`.execute(tx)
  const removed = Number(numAffectedRows)
  if (removed === found) return
  await checkNotGuarded(tx, plan, { table, found, removed })
  const { rows } = await sql`${titleOf([table])}
    select from ${rowsOf(plan, table)} t where ${theirs(link, userIds)} limit 1`.execute(tx)
  if (rows.length > 0) throw new RowsKeptError(table, found, removed)
}

const whose = ({ columns: [column = ''] }: Link) => sql`t.${sql.id(column)}`

function theirs(link: Link, userIds: number[]): RawBuilder<boolean> {
  return sql`${whose(link)} = ${anyOf(userIds)}${fits(link)}`
}
