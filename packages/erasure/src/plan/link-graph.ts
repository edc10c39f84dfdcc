import { type RawBuilder, sql } from 'kysely'
import { type Link, namesPerson } from '../map/reachable-tables.ts'
import type { Table } from '../map/table.ts'
import { type Plan, parentLinks } from './plan.ts'

// A chain of common table expressions finds the rows that belong to people, from the people downwards: one expression for
// each erased table. Each row has the `person` who owns it, the `table_oid` (of the table or partition) and `ctid` of the
// row, and the key columns that other tables reference.

/**
 * `with recursive …`: the rows that belong to these people, in all erased tables, or only in the tables `of` and their
 * ancestors. `people` is the right side of `=`: one id, or `anyOf(ids)`.
 */
export function findRows(
  plan: Plan,
  people: RawBuilder<unknown>,
  of: Iterable<string> = plan.parents.keys(),
): RawBuilder<unknown> {
  const written = new Set<string>()
  const parts: RawBuilder<unknown>[] = []
  const write = (table: string) => {
    if (written.has(table)) return
    const cycle = plan.cycles.find((one) => one.includes(table))
    const together = cycle ?? [table]
    for (const one of together) written.add(one)
    for (const one of together) for (const { target } of plan.parents.get(one) ?? []) write(target)
    parts.push(
      ...(cycle ? cycleExpressions(plan, cycle, people) : [tableExpression(plan, table, people)]),
    )
  }
  for (const table of of) write(table)
  return sql`with recursive ${sql.join(parts)}`
}

/**
 * `any` of these ids. Sent as one text, because the driver is slow at arrays. The `select` hides the ids from the
 * planner, which would look up statistics for each one; that takes as long as finding the rows.
 */
export function anyOf(userIds: readonly number[]): RawBuilder<unknown> {
  return sql`any((select ${`{${userIds.join()}}`}::bigint[])::bigint[])`
}

/** The common table expression with the found rows of a table, named by the table's number: any name is allowed there. */
export function foundRows(plan: Plan, table: string): RawBuilder<unknown> {
  return sql.id(`in_${[...plan.parents.keys()].indexOf(table)}`)
}

function tableExpression(
  plan: Plan,
  table: string,
  people: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const { person } = plan.map
  const name = foundRows(plan, table)
  if (table === person.table)
    return sql`${name} as (
      select t.${sql.id(person.key)} as person, t.tableoid as table_oid, t.ctid as ctid${referencedColumns(plan, table)}
      from ${rowsOf(plan, table)} t where t.${sql.id(person.key)} = ${people})`
  const selects = (plan.parents.get(table) ?? []).map(
    (link) => sql`select ${rowsByLink(plan, link, people, referencedColumns(plan, table))}`,
  )
  return selects.length === 1
    ? sql`${name} as (${selects[0]})`
    : sql`${name} as (${distinctRows(sql.join(selects, sql` union all `))})`
}

/** What follows `from`: the found rows `b` of a table, joined with the table rows `t`. */
export function joinFoundRows(plan: Plan, table: string): RawBuilder<unknown> {
  return sql`${foundRows(plan, table)} b join ${rowsOf(plan, table)} t on t.tableoid = b.table_oid and t.ctid = b.ctid`
}

/** The table for a `from`. `only` leaves out tables that inherit from it: these have their own keys and entries. */
export function rowsOf(plan: Plan, table: string): RawBuilder<unknown> {
  const { schema, relation, partitioned } = plan.tables.get(table) as Table
  const name = sql.id(schema, relation)
  return partitioned ? name : sql`only ${name}`
}

/** What follows `select`: the rows `t` of the link's table that reference rows already found, with `more` of their columns. */
export function rowsByLink(
  plan: Plan,
  link: Link,
  people: RawBuilder<unknown>,
  more: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  const [column = ''] = link.columns
  // Most tables reference the person directly: no join is needed.
  if (namesPerson(plan.map, link))
    return sql`t.${sql.id(column)} as person, t.tableoid as table_oid, t.ctid as ctid${more}
      from ${rowsOf(plan, link.table)} t where t.${sql.id(column)} = ${people}${linkFilter(link)}`
  return sql`b.person, t.tableoid as table_oid, t.ctid as ctid${more}
    from ${foundRows(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${referencesFoundRow(plan, link)}${linkFilter(link)}`
}

/** Tables in a cycle: starts with rows that reference rows outside of the cycle, and recurses until it finds no new row. */
function cycleExpressions(
  plan: Plan,
  cycle: string[],
  people: RawBuilder<unknown>,
): RawBuilder<unknown>[] {
  const links = cycle.flatMap((table) => plan.parents.get(table) ?? [])
  const name = sql.id(`cycle_${plan.cycles.indexOf(cycle)}`)
  const number = (table: string) => sql.lit(cycle.indexOf(table))
  const anchors = links
    .filter(({ target }) => !cycle.includes(target))
    .map((link) => sql`select ${number(link.table)} as number, ${rowsByLink(plan, link, people)}`)
  const recursions = links
    .filter(({ target }) => cycle.includes(target))
    .map(
      (link) => sql`select ${number(link.table)}, c.person, t.tableoid, t.ctid
        from ${rowsOf(plan, link.target)} p join ${rowsOf(plan, link.table)} t on ${referencesRow(link, 'p')}${linkFilter(link)}
        where c.number = ${number(link.target)} and p.tableoid = c.table_oid and p.ctid = c.ctid`,
    )
  const found = sql`${name} (number, person, table_oid, ctid) as (
    (${sql.join(anchors, sql` union all `)})
    union select next.* from ${name} c cross join lateral (${sql.join(recursions, sql` union all `)}) next)`
  const each = cycle.map((table) => {
    const lines = sql`select c.person, c.table_oid, c.ctid${referencedColumns(plan, table)}
      from ${name} c join ${rowsOf(plan, table)} t on t.tableoid = c.table_oid and t.ctid = c.ctid
      where c.number = ${number(table)}`
    return sql`${foundRows(plan, table)} as (${distinctRows(lines)})`
  })
  return [found, ...each]
}

/** Keeps one line for each row, even if it belongs to several people or by several links; the smallest id owns it. */
function distinctRows(lines: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select distinct on (table_oid, ctid) * from (${lines}) l order by table_oid, ctid, person`
}

/** The columns of a table that other tables reference. */
function referencedColumns(plan: Plan, table: string): RawBuilder<unknown> {
  const columns = parentLinks(plan).flatMap(({ target, targetColumns }) =>
    target === table ? targetColumns : [],
  )
  return sql.join(
    [...new Set(columns)].map(
      (column) => sql`, t.${sql.id(column)} as ${keyColumn(plan, table, column)}`,
    ),
    sql``,
  )
}

/** A key column's name in the found rows: numbered, so that no column of the table can collide with `person` or `ctid`. */
function keyColumn(plan: Plan, table: string, column: string): RawBuilder<unknown> {
  return sql.id(`key_${[...(plan.tables.get(table)?.columns.keys() ?? [])].indexOf(column)}`)
}

/** A condition: row `t` references the found row `b`. */
export function referencesFoundRow(
  plan: Plan,
  { columns, target, targetColumns }: Link,
): RawBuilder<boolean> {
  return sql.join(
    columns.map(
      (column, index) =>
        sql`t.${sql.id(column)} = b.${keyColumn(plan, target, targetColumns[index] ?? '')}`,
    ),
    sql` and `,
  ) as RawBuilder<boolean>
}

/** A condition: row `child` references row `parent`. */
export function referencesRow(
  { columns, targetColumns }: Link,
  parent: string,
  child = 't',
): RawBuilder<boolean> {
  return sql.join(
    columns.map(
      (column, index) =>
        sql`${sql.id(child)}.${sql.id(column)} = ${sql.id(parent)}.${sql.id(targetColumns[index] ?? '')}`,
    ),
    sql` and `,
  ) as RawBuilder<boolean>
}

/** A condition: row `from` has the values that the link requires. */
export function linkFilter({ where }: Link, from = 't'): RawBuilder<unknown> {
  const conditions = Object.entries(where).map(
    ([column, value]) => sql` and ${sql.id(from)}.${sql.id(column)} = ${value}`,
  )
  return sql.join(conditions, sql``)
}
