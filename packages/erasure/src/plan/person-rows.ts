import { type RawBuilder, sql } from 'kysely'
import { linkColumn, linkName, namesPerson } from '../map/reachable-tables.ts'
import { findRows, foundRows, linkFilter, rowsOf } from './link-graph.ts'
import { type Anonymize, type Plan, parentLinks } from './plan.ts'
import { clearedRows } from './step-sql.ts'

/**
 * A statement that selects the rows of one table that belong to this person, each once, and none of another person. These are
 * - the rows that reference the person directly, if the table has such a link;
 * - otherwise the rows that are erased with the person through other tables;
 * - if the table's rows are not erased, those in which the person is overwritten;
 * - the rows that are erased by other means.
 *
 * Selects nothing if the table has no rows of people. `person` is the person's id, as an expression.
 */
export function personRows(
  plan: Plan,
  table: string,
  person: RawBuilder<unknown>,
  columns: readonly string[],
): RawBuilder<unknown> {
  const named = personConditions(plan, table, person)
  const wanted = sql`select ${sql.join(columns.map((column) => exportedColumn(plan, table, column, person)))}`
  const sorted = sql`order by ${sortColumns(plan, table)}`
  if (named)
    return named.length === 0
      ? sql`select where false`
      : sql`${wanted} from ${rowsOf(plan, table)} t where ${sql.join(named, sql` or `)} ${sorted}`
  const clears = clearsOf(plan, table)
  const found = [
    ...(plan.parents.has(table)
      ? [sql`select table_oid, ctid from ${foundRows(plan, table)}`]
      : []),
    ...clears.map(
      (clear) => sql`select table_oid, ctid from (select ${clearedRows(plan, clear)}) c`,
    ),
    ...columnsErasedOtherwise(plan, table).map(
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

/** A column with `with` belongs to one link: only the person that this link references sees its value. */
function exportedColumn(
  plan: Plan,
  table: string,
  column: string,
  person: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const value = sql`t.${sql.id(column)}`
  const together = plan.map.tables[table]?.columns[column]?.on_erase?.with
  if (together === undefined) return value
  const link = parentLinks(plan).find(
    (one) => one.table === table && linkName(one.columns) === together,
  )
  if (!link || !namesPerson(plan.map, link)) return value
  return sql`case when t.${sql.id(link.columns[0] ?? '')} = ${person}${linkFilter(link)} then ${value} end`
}

/** The conditions, any of which makes row `t` this person's; undefined if only other tables show to whom a row belongs. */
function personConditions(
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
    ...naming.map((link) => sql`(${is(link.columns[0] ?? '')}${linkFilter(link)})`),
    ...columnsErasedOtherwise(plan, table).map(is),
  ]
}

/** The steps that overwrite rows of a table whose rows are never erased. */
function clearsOf(plan: Plan, table: string): Anonymize[] {
  if (plan.parents.has(table)) return []
  return plan.steps.filter(
    (step): step is Anonymize => step.rule === 'anonymize' && step.link.table === table,
  )
}

/** The columns that reference a person and whose rows are erased by other means. */
function columnsErasedOtherwise(plan: Plan, table: string): string[] {
  return Object.entries(plan.map.tables[table]?.references ?? {}).flatMap(([name, link]) =>
    typeof link === 'object' && 'handled_by' in link
      ? (linkColumn(plan.tables.get(table), name) ?? [])
      : [],
  )
}

/** A stable order, if the table has a key or the map an order. */
function sortColumns(plan: Plan, table: string): RawBuilder<unknown> {
  const [key] = plan.tables.get(table)?.uniqueKeys ?? []
  const by = plan.map.tables[table]?.order ?? key ?? ['tableoid', 'ctid']
  return sql.join(by.map((column) => sql`t.${sql.id(column)}`))
}
