import type { Counts, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import {
  anyOf,
  findRows,
  joinFoundRows,
  linkFilter,
  referencesRow,
  rowsByLink,
  rowsOf,
} from '../plan/link-graph.ts'
import { type Plan, parentLinks, type Step } from '../plan/plan.ts'
import {
  changeStatement,
  clearedName,
  clearedRows,
  countUnchanged,
  isFoundRow,
  namesFiles,
  stepMarker,
} from '../plan/step-sql.ts'
import { RowsKeptError } from './rows-kept.ts'

/**
 * Erases up to `atMost` rows of this person before the erasure itself. `index` selects one of the plan's queries that find
 * rows; returns undefined if there is no query with that index. Fewer than `atMost` rows: go on with the next query; `eraseRows` erases what this one left.
 *
 * A caller can stop after any chunk. A chunk skips the person, locked rows, and rows that other rows still reference;
 * `eraseRows` finds and erases these in one transaction.
 */
export async function eraseChunk(
  tx: Tx,
  plan: Plan,
  index: number,
  userId: number,
  atMost: number,
): Promise<Counts | undefined> {
  const chunk = plan.steps.flatMap((step) => chunksOf(plan, step, anyOf([userId])))[index]
  if (!chunk) return undefined
  const { name, table, step } = chunk
  const withoutChildren = hasNoChildren(plan, step, table)
  const { rows: locked } = await sql<{ table_oid: number; ctid: string }>`${stepMarker([name])}
    ${chunk.rows}${withoutChildren} limit ${atMost} for update of t skip locked`.execute(tx)
  // Check each locked row for children again: while it is locked, no new child can be inserted.
  const held = sql`unnest(${locked.map(({ table_oid }) => table_oid)}::oid[], ${locked.map(({ ctid }) => ctid)}::tid[]) as held (table_oid, ctid)`
  const found = sql.id('found')
  const sums = namesFiles(plan, step, table)
    ? sql`count(bytes) as files, coalesce(sum(bytes), 0)::bigint as bytes`
    : sql`0 as files, 0 as bytes`
  const { rows } = await sql<ChangedRows>`${stepMarker([name])}
    with ${found} as materialized (
      select t.tableoid as table_oid, t.ctid as ctid from ${rowsOf(plan, table)} t where ${isFoundRow(plan, table, held)}${withoutChildren}
    ), changed as (${changeStatement(plan, step, table, isFoundRow(plan, table, found))})
    select (select count(*) from ${found}) as found, count(*) as rows, ${countUnchanged(step)} as unchanged, ${sums} from changed`.execute(
    tx,
  )
  const [changed = { found: 0, rows: 0, unchanged: 0, files: 0, bytes: 0 }] = rows
  // The rows are locked, so another transaction cannot be the reason for a difference.
  const removed = changed.rows - changed.unchanged
  if (removed !== changed.found) throw new RowsKeptError(name, changed.found, removed)
  return { tables: { [name]: changed.rows }, files: changed.files, bytes: changed.bytes }
}

interface ChangedRows {
  found: number
  rows: number
  unchanged: number
  files: number
  bytes: number
}

interface Chunk {
  name: string
  table: string
  step: Step
  /** A `select` of rows `t` that ends with a condition. */
  rows: RawBuilder<unknown>
}

/** One query for each link, so that `limit` finds the first rows without reading all of them. */
function chunksOf(plan: Plan, step: Step, person: RawBuilder<unknown>): Chunk[] {
  if (step.rule === 'anonymize') {
    const { link } = step
    const erasedTables = [link.target, link.table].filter((table) => plan.parents.has(table))
    const rows = sql`${findRows(plan, person, erasedTables)} select ${clearedRows(plan, step)}`
    return [{ name: clearedName(step), table: link.table, step, rows }]
  }
  return step.tables.flatMap((table) => {
    if (table === plan.map.person.table) return []
    const links = (plan.parents.get(table) ?? []).filter(
      ({ target }) => !step.tables.includes(target),
    )
    const selects = links.map(
      (link) =>
        sql`${findRows(plan, person, [link.target])} select ${rowsByLink(plan, link, person)}`,
    )
    if (plan.cycles.includes(step.tables))
      selects.push(
        sql`${findRows(plan, person, [table])} select b.table_oid, b.ctid from ${joinFoundRows(plan, table)}`,
      )
    return selects.map((rows) => ({ name: table, table, step, rows }))
  })
}

/** A condition: no row references row `t`. */
function hasNoChildren(plan: Plan, step: Step, table: string): RawBuilder<unknown> {
  if (step.rule === 'anonymize') return sql``
  const children = parentLinks(plan).filter(({ target }) => target === table)
  return sql.join(
    children.map(
      (link) =>
        sql` and not exists (select from ${rowsOf(plan, link.table)} c where ${referencesRow(link, 't', 'c')}${linkFilter(link, 'c')})`,
    ),
    sql``,
  )
}
