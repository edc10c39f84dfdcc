import { type RawBuilder, sql } from 'kysely'
import { foundRows, linkFilter, referencesFoundRow, rowsOf } from './link-graph.ts'
import type { Anonymize, Plan, Step } from './plan.ts'

interface StepRows {
  /** The name under which the rows are counted. */
  name: string
  table: string
  rows: RawBuilder<unknown>
}

export function stepRows(plan: Plan, step: Step): StepRows[] {
  if (step.rule === 'anonymize')
    return [
      {
        name: clearedName(step),
        table: step.link.table,
        rows: sql`select ${clearedRows(plan, step)}`,
      },
    ]
  return step.tables.map((table) => ({
    name: table,
    table,
    rows: sql`select person, table_oid, ctid from ${foundRows(plan, table)}`,
  }))
}

/** Overwritten rows are counted under table and column, since other rows of the same table can be erased. */
export const clearedName = ({ link }: Anonymize) => `${link.table}.${link.columns.join(',')}`

/** What follows `select`: rows that reference an erased row and are not erased themselves. */
export function clearedRows(plan: Plan, { link }: Anonymize): RawBuilder<unknown> {
  const notErased = plan.parents.has(link.table)
    ? sql` and not exists (select from ${foundRows(plan, link.table)} g where g.table_oid = t.tableoid and g.ctid = t.ctid)`
    : sql``
  return sql`b.person, t.tableoid as table_oid, t.ctid as ctid
    from ${foundRows(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${referencesFoundRow(plan, link)}${linkFilter(link)}${notErased}`
}

/**
 * The delete or update of a step, for the rows `t` for which `these` is true. Returns the `person` of each row, if given. An
 * update also returns `holds`: whether the row now has the written values, since a trigger can have restored the old ones.
 */
export function changeStatement(
  plan: Plan,
  step: Step,
  table: string,
  these: RawBuilder<unknown>,
  { person = sql`1`, found }: { person?: RawBuilder<unknown>; found?: RawBuilder<unknown> } = {},
): RawBuilder<unknown> {
  if (step.rule === 'anonymize') {
    const set = step.set.map(([column, value]) => sql`${sql.id(column)} = ${value}`)
    const from = found ? sql` from ${found}` : sql``
    return sql`update ${rowsOf(plan, table)} t set ${sql.join(set)}${from} where ${these} returning ${person} as person, ${holdsWritten(plan, step)} as holds`
  }
  const using = found ? sql` using ${found}` : sql``
  return sql`delete from ${rowsOf(plan, table)} t${using} where ${these} returning ${person} as person${bytesColumn(plan, step, table)}`
}

/** Compares as text, cast to the column's type first: not every type has an equality, but each has one text form for a value. */
function holdsWritten(plan: Plan, { link, set }: Anonymize): RawBuilder<unknown> {
  const columns = plan.tables.get(link.table)?.columns
  const each = set.map(([column, value]) => {
    const written = sql`t.${sql.id(column)}`
    if (value === null) return sql`${written} is null`
    const type = sql.raw(columns?.get(column)?.type ?? 'text')
    return sql`${written}::text is not distinct from ${value}::text::${type}::text`
  })
  return sql`(${sql.join(each, sql` and `)})`
}

/** Counts the rows in `changed` that do not have the written values. */
export function countUnchanged({ rule }: Step): RawBuilder<unknown> {
  return rule === 'anonymize' ? sql`count(*) filter (where not holds)` : sql`0`
}

export function namesFiles(plan: Plan, step: Step, table: string): boolean {
  return step.rule === 'delete' && plan.map.tables[table]?.files !== undefined
}

/** One more column `bytes`, the size of the file that row `t` names, if the table names files. */
export function bytesColumn(plan: Plan, step: Step, table: string): RawBuilder<unknown> {
  const { bytes } = plan.map.tables[table]?.files ?? {}
  return bytes && step.rule === 'delete' ? sql`, t.${sql.id(bytes)}::bigint as bytes` : sql``
}

/** A condition: row `t` is one of the rows `found`. The ctid alone, the fastest lookup, if the table has no partitions. */
export function isFoundRow(
  plan: Plan,
  table: string,
  found: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return plan.tables.get(table)?.partitioned
    ? sql`(t.tableoid, t.ctid) in (select table_oid, ctid from ${found})`
    : sql`t.ctid = any(array(select ctid from ${found}))`
}

/** A comment that shows an operator in `pg_stat_activity` which step runs. */
export function stepMarker(names: string[]): RawBuilder<unknown> {
  return sql.raw(`/* erase ${names.map((name) => name.replaceAll(/[^\w.,]/g, '')).join(' ')} */`)
}
