import type { Counts, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { anyOf, findRows, fits, meets, rowsByLink, rowsFound, rowsOf } from '../plan/link-graph.ts'
import { type Plan, parentLinks, type Step } from '../plan/plan.ts'
import {
  changeOf,
  cleared,
  clearedName,
  inPlaces,
  namesFiles,
  titleOf,
  unchanged,
} from '../plan/step-sql.ts'
import { RowsKeptError } from './rows-kept.ts'

/**
 * Erases up to `atMost` rows of this person ahead of the erasure, by the `place`th way of the plan on which rows can be
 * found; undefined where it has no so many ways. Less than `atMost` were left on that way if it tells of less.
 *
 * It may be left off between any two portions, and it need not find everything: what it passes over (the person, rows that
 * somebody is using, rows on which others still hang) is for `eraseRows`, which finds the rest of it all at once.
 */
export async function eraseChunk(
  tx: Tx,
  plan: Plan,
  place: number,
  userId: number,
  atMost: number,
): Promise<Counts | undefined> {
  const portion = plan.steps.flatMap((step) => chunksOf(plan, step, anyOf([userId])))[place]
  if (!portion) return undefined
  const { name, table, step } = portion
  const alone = childless(plan, step, table)
  const { rows: locked } = await sql<{ table_oid: number; ctid: string }>`${titleOf([name])}
    ${portion.rows}${alone} limit ${atMost} for update of t skip locked`.execute(tx)
  // Asked once more of each row that we hold: nothing can come to hang on it any more.
  const held = sql`unnest(${locked.map(({ table_oid }) => table_oid)}::oid[], ${locked.map(({ ctid }) => ctid)}::tid[]) as held (table_oid, ctid)`
  const found = sql.id('found')
  const sums = namesFiles(plan, step, table)
    ? sql`count(bytes) as files, coalesce(sum(bytes), 0)::bigint as bytes`
    : sql`0 as files, 0 as bytes`
  const { rows } = await sql<ChangedRows>`${titleOf([name])}
    with ${found} as materialized (
      select t.tableoid as table_oid, t.ctid as ctid from ${rowsOf(plan, table)} t where ${inPlaces(plan, table, held)}${alone}
    ), changed as (${changeOf(plan, step, table, inPlaces(plan, table, found))})
    select (select count(*) from ${found}) as found, count(*) as rows, ${unchanged(step)} as unchanged, ${sums} from changed`.execute(
    tx,
  )
  const [changed = { found: 0, rows: 0, unchanged: 0, files: 0, bytes: 0 }] = rows
  // They are locked: no other transaction can have changed them in between.
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

/** Along one link after the other: so the first rows are found without a look at all others. */
function chunksOf(plan: Plan, step: Step, person: RawBuilder<unknown>): Chunk[] {
  if (step.rule === 'clear') {
    const { link } = step
    const needed = [link.target, link.table].filter((table) => plan.parents.has(table))
    const rows = sql`${findRows(plan, person, needed)} select ${cleared(plan, step)}`
    return [{ name: clearedName(step), table: link.table, step, rows }]
  }
  return step.tables.flatMap((table) => {
    if (table === plan.map.person.table) return []
    const links = (plan.parents.get(table) ?? []).filter(
      ({ target }) => !step.tables.includes(target),
    )
    const ways = links.map(
      (link) =>
        sql`${findRows(plan, person, [link.target])} select ${rowsByLink(plan, link, person)}`,
    )
    if (plan.cycles.includes(step.tables))
      ways.push(
        sql`${findRows(plan, person, [table])} select b.table_oid, b.ctid from ${rowsFound(plan, table)}`,
      )
    return ways.map((rows) => ({ name: table, table, step, rows }))
  })
}

/** Nothing hangs on a row `t` any more. */
function childless(plan: Plan, step: Step, table: string): RawBuilder<unknown> {
  if (step.rule === 'clear') return sql``
  const children = parentLinks(plan).filter(({ target }) => target === table)
  return sql.join(
    children.map(
      (link) =>
        sql` and not exists (select from ${rowsOf(plan, link.table)} c where ${meets(link, 't', 'c')}${fits(link, 'c')})`,
    ),
    sql``,
  )
}
