import { type RawBuilder, sql } from 'kysely'
import { linkColumn, linkName, namesPerson } from '../map/reachable-tables.ts'
import { findRows, fits, foundRows, rowsOf } from './link-graph.ts'
import { type Clear, type Plan, parentLinks } from './plan.ts'
import { cleared } from './step-sql.ts'

/**
 * A statement for all rows of one table that are this person's, each once, so that nobody is told of what is somebody else's:
 * where rows name whom they go with, those that name this one; else those that go with this one's by what they hang on; where
 * the rows outlive everybody, those in which this one is overwritten; and those that go by other means. None where the table has
 * none of anybody. `person` is their number, as an expression.
 */
export function personRows(
  plan: Plan,
  table: string,
  person: RawBuilder<unknown>,
  columns: readonly string[],
): RawBuilder<unknown> {
  const named = namedBy(plan, table, person)
  const wanted = sql`select ${sql.join(columns.map((column) => toldOf(plan, table, column, person)))}`
  const sorted = sql`order by ${orderOf(plan, table)}`
  if (named)
    return named.length === 0
      ? sql`select where false`
      : sql`${wanted} from ${rowsOf(plan, table)} t where ${sql.join(named, sql` or `)} ${sorted}`
  const clears = clearsOf(plan, table)
  const found = [
    ...(plan.parents.has(table)
      ? [sql`select table_oid, ctid from ${foundRows(plan, table)}`]
      : []),
    ...clears.map((clear) => sql`select table_oid, ctid from (select ${cleared(plan, clear)}) c`),
    ...otherwise(plan, table).map(
      (column) => sql`select t.tableoid, t.ctid from ${rowsOf(plan, table)} t
        where t.${sql.id(column)} = ${person}`,
    ),
  ]
  const needs = [table, ...clears.map(({ link }) => link.target)]
  return sql`${findRows(
    plan,
    person,
    needs.filter((needed) => plan.parents.has(needed)),
  )}
    ${wanted} from (${sql.join(found, sql` union `)}) f
    join ${rowsOf(plan, table)} t on t.tableoid = f.table_oid and t.ctid = f.ctid ${sorted}`
}

/** A column that belongs to one link of several is told to whom that link names, and to nobody else. */
function toldOf(
  plan: Plan,
  table: string,
  column: string,
  person: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const value = sql`t.${sql.id(column)}`
  const erase = plan.map.tables[table]?.columns[column]?.erase
  if (!erase || 'keep' in erase || erase.with === undefined) return value
  const link = parentLinks(plan).find(
    (one) => one.table === table && linkName(one.columns) === erase.with,
  )
  if (!link || !namesPerson(plan.map, link)) return value
  return sql`case when t.${sql.id(link.columns[0] ?? '')} = ${person}${fits(link)} then ${value} end`
}

/** The conditions on a row `t` where the table's own columns say whose it is; undefined where other rows have to be asked. */
function namedBy(
  plan: Plan,
  table: string,
  number: RawBuilder<unknown>,
): RawBuilder<unknown>[] | undefined {
  const { person } = plan.map
  const is = (column: string) => sql`t.${sql.id(column)} = ${number}`
  if (table === person.table) return [is(person.key)]
  const parents = plan.parents.get(table)
  const links = parents ?? clearsOf(plan, table).map(({ link }) => link)
  const naming = links.filter((link) => namesPerson(plan.map, link))
  const isEnough = parents ? naming.length > 0 : naming.length === links.length
  if (!isEnough) return undefined
  return [
    ...naming.map((link) => sql`(${is(link.columns[0] ?? '')}${fits(link)})`),
    ...otherwise(plan, table).map(is),
  ]
}

/** How its rows are overwritten, where none of them goes with anybody. */
function clearsOf(plan: Plan, table: string): Clear[] {
  if (plan.parents.has(table)) return []
  return plan.steps.filter(
    (step): step is Clear => step.rule === 'clear' && step.link.table === table,
  )
}

/** The columns that name a person whose rows go by other means. */
function otherwise(plan: Plan, table: string): string[] {
  return Object.entries(plan.map.tables[table]?.links ?? {}).flatMap(([name, link]) =>
    typeof link === 'object' && 'otherwise' in link
      ? (linkColumn(plan.tables.get(table), name) ?? [])
      : [],
  )
}

/** The same rows come in the same order, as far as the table has a key. */
function orderOf(plan: Plan, table: string): RawBuilder<unknown> {
  const [key] = plan.tables.get(table)?.uniqueKeys ?? []
  const by = plan.map.tables[table]?.order ?? key ?? ['tableoid', 'ctid']
  return sql.join(by.map((column) => sql`t.${sql.id(column)}`))
}
