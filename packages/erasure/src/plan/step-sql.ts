import { type RawBuilder, sql } from 'kysely'
import { fits, foundRows, meetsLine, rowsOf } from './link-graph.ts'
import type { Clear, Plan, Step } from './plan.ts'

interface StepRows {
  /** Under which they are counted. */
  name: string
  table: string
  rows: RawBuilder<unknown>
}

export function stepRows(plan: Plan, step: Step): StepRows[] {
  if (step.rule === 'clear')
    return [
      { name: clearedName(step), table: step.link.table, rows: sql`select ${cleared(plan, step)}` },
    ]
  return step.tables.map((table) => ({
    name: table,
    table,
    rows: sql`select person, table_oid, ctid from ${foundRows(plan, table)}`,
  }))
}

/** What is overwritten is counted under the column too, since rows of the same table may go. */
export const clearedName = ({ link }: Clear) => `${link.table}.${link.columns.join(',')}`

/** What follows `select`: rows that point at an erased one and are not erased themselves. */
export function cleared(plan: Plan, { link }: Clear): RawBuilder<unknown> {
  const goes = plan.parents.has(link.table)
    ? sql` and not exists (select from ${foundRows(plan, link.table)} g where g.table_oid = t.tableoid and g.ctid = t.ctid)`
    : sql``
  return sql`b.person, t.tableoid as table_oid, t.ctid as ctid
    from ${foundRows(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${meetsLine(plan, link)}${fits(link)}${goes}`
}

/**
 * What the step does to the rows `t` of which `these` holds; it tells of each whose it was, where that is asked, and of one that
 * is overwritten whether it holds that now (`holds`): a trigger may have put back what was there.
 */
export function changeOf(
  plan: Plan,
  step: Step,
  table: string,
  these: RawBuilder<unknown>,
  { person = sql`1`, found }: { person?: RawBuilder<unknown>; found?: RawBuilder<unknown> } = {},
): RawBuilder<unknown> {
  if (step.rule === 'clear') {
    const set = step.set.map(([column, value]) => sql`${sql.id(column)} = ${value}`)
    const from = found ? sql` from ${found}` : sql``
    return sql`update ${rowsOf(plan, table)} t set ${sql.join(set)}${from} where ${these} returning ${person} as person, ${holds(plan, step)} as holds`
  }
  const using = found ? sql` using ${found}` : sql``
  return sql`delete from ${rowsOf(plan, table)} t${using} where ${these} returning ${person} as person${bytesOf(plan, step, table)}`
}

/** As text of the column's own type, since not every type has an equality, and each type writes a value in one way. */
function holds(plan: Plan, { link, set }: Clear): RawBuilder<unknown> {
  const columns = plan.tables.get(link.table)?.columns
  const each = set.map(([column, value]) => {
    const written = sql`t.${sql.id(column)}`
    if (value === null) return sql`${written} is null`
    const type = sql.raw(columns?.get(column)?.type ?? 'text')
    return sql`${written}::text is not distinct from ${value}::text::${type}::text`
  })
  return sql`(${sql.join(each, sql` and `)})`
}

/** How many of the rows in `changed` do not hold what was written. */
export function unchanged({ rule }: Step): RawBuilder<unknown> {
  return rule === 'clear' ? sql`count(*) filter (where not holds)` : sql`0`
}

export function namesFiles(plan: Plan, step: Step, table: string): boolean {
  return step.rule === 'delete' && plan.map.tables[table]?.files !== undefined
}

/** The size of the file that a row `t` names, where the rows of the table name any: one more column, as `bytes`. */
export function bytesOf(plan: Plan, step: Step, table: string): RawBuilder<unknown> {
  const { bytes } = plan.map.tables[table]?.files ?? {}
  return bytes && step.rule === 'delete' ? sql`, t.${sql.id(bytes)}::bigint as bytes` : sql``
}

/** Rows `t` that lie where the lines of `found` say: by their places alone where one table holds them all, no way is shorter. */
export function inPlaces(
  plan: Plan,
  table: string,
  found: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return plan.tables.get(table)?.partitioned
    ? sql`(t.tableoid, t.ctid) in (select table_oid, ctid from ${found})`
    : sql`t.ctid = any(array(select ctid from ${found}))`
}

/** Whoever looks at what the database does sees which step it is. */
export function titleOf(names: string[]): RawBuilder<unknown> {
  return sql.raw(`/* erase ${names.map((name) => name.replaceAll(/[^\w.,]/g, '')).join(' ')} */`)
}
