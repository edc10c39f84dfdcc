import { type RawBuilder, sql } from 'kysely'
import type { Table } from '../map/catalog.ts'
import { type Link, namesPerson } from '../map/reachable-tables.ts'
import { type Plan, parentLinks } from './plan.ts'

// The rows that belong to people are found from the people downwards, by a chain of common table expressions: one for
// each erased table, with a line for each row. A line holds the `person` to whom the row belongs, where the row lies
// (`part` and `place`: its table or partition, and its place in there), and the columns by which other rows point at it.

/**
 * `with recursive …`: what belongs to these people, in all erased tables or in `of` and what lies on the way to it.
 * `people` follows `=`: the number of one of them, as an expression, or `anyOf` several.
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
    parts.push(...(cycle ? inCycle(plan, cycle, people) : [inLine(plan, table, people)]))
  }
  for (const table of of) write(table)
  return sql`with recursive ${sql.join(parts)}`
}

/**
 * One of these numbers. As one text: the driver takes longer over each member of an array than PostgreSQL over its row. And
 * selected: told the numbers, the planner asks its statistics for each of them, which takes as long as to look for them.
 */
export function anyOf(userIds: readonly number[]): RawBuilder<unknown> {
  return sql`any((select ${`{${userIds.join()}}`}::bigint[])::bigint[])`
}

/** The expression that holds the lines of a table. */
export function foundRows(plan: Plan, table: string): RawBuilder<unknown> {
  return sql.id(`in_${[...plan.parents.keys()].indexOf(table)}`)
}

function inLine(plan: Plan, table: string, people: RawBuilder<unknown>): RawBuilder<unknown> {
  const { person } = plan.map
  const name = foundRows(plan, table)
  if (table === person.table)
    return sql`${name} as (
      select t.${sql.id(person.key)} as person, t.tableoid as table_oid, t.ctid as ctid${pointedAt(plan, table)}
      from ${rowsOf(plan, table)} t where t.${sql.id(person.key)} = ${people})`
  const ways = (plan.parents.get(table) ?? []).map(
    (link) => sql`select ${rowsByLink(plan, link, people, pointedAt(plan, table))}`,
  )
  return ways.length === 1
    ? sql`${name} as (${ways[0]})`
    : sql`${name} as (${once(sql.join(ways, sql` union all `))})`
}

/** What follows `from`: the rows `t` themselves, of the lines of their table. */
export function rowsFound(plan: Plan, table: string): RawBuilder<unknown> {
  return sql`${foundRows(plan, table)} b join ${rowsOf(plan, table)} t on t.tableoid = b.table_oid and t.ctid = b.ctid`
}

/** A table that inherits from another one is a table of its own, with keys and an entry of its own. */
export function rowsOf(plan: Plan, table: string): RawBuilder<unknown> {
  const { schema, relation, partitioned } = plan.tables.get(table) as Table
  const name = sql.id(schema, relation)
  return partitioned ? name : sql`only ${name}`
}

/** What follows `select`: the rows `t` of the link's table that hang on rows found before, and `more` of their columns. */
export function rowsByLink(
  plan: Plan,
  link: Link,
  people: RawBuilder<unknown>,
  more: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  const [column = ''] = link.columns
  // Most tables name the person themselves: nothing has to be looked up on the way.
  if (namesPerson(plan.map, link))
    return sql`t.${sql.id(column)} as person, t.tableoid as table_oid, t.ctid as ctid${more}
      from ${rowsOf(plan, link.table)} t where t.${sql.id(column)} = ${people}${fits(link)}`
  return sql`b.person, t.tableoid as table_oid, t.ctid as ctid${more}
    from ${foundRows(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${meetsLine(plan, link)}${fits(link)}`
}

/** Tables that hang on each other: from what hangs on rows outside of the cycle on and on, until nothing new is found. */
function inCycle(plan: Plan, cycle: string[], people: RawBuilder<unknown>): RawBuilder<unknown>[] {
  const links = cycle.flatMap((table) => plan.parents.get(table) ?? [])
  const name = sql.id(`cycle_${plan.cycles.indexOf(cycle)}`)
  const number = (table: string) => sql.lit(cycle.indexOf(table))
  const begins = links
    .filter(({ target }) => !cycle.includes(target))
    .map((link) => sql`select ${number(link.table)} as number, ${rowsByLink(plan, link, people)}`)
  const goesOn = links
    .filter(({ target }) => cycle.includes(target))
    .map(
      (link) => sql`select ${number(link.table)}, c.person, t.tableoid, t.ctid
        from ${rowsOf(plan, link.target)} p join ${rowsOf(plan, link.table)} t on ${meets(link, 'p')}${fits(link)}
        where c.number = ${number(link.target)} and p.tableoid = c.table_oid and p.ctid = c.ctid`,
    )
  const found = sql`${name} (number, person, table_oid, ctid) as (
    (${sql.join(begins, sql` union all `)})
    union select next.* from ${name} c cross join lateral (${sql.join(goesOn, sql` union all `)}) next)`
  const each = cycle.map((table) => {
    const lines = sql`select c.person, c.table_oid, c.ctid${pointedAt(plan, table)}
      from ${name} c join ${rowsOf(plan, table)} t on t.tableoid = c.table_oid and t.ctid = c.ctid
      where c.number = ${number(table)}`
    return sql`${foundRows(plan, table)} as (${once(lines)})`
  })
  return [found, ...each]
}

/** A row that hangs on two of these people, or on one of them in two ways, is one row. */
function once(lines: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`select distinct on (table_oid, ctid) * from (${lines}) l order by table_oid, ctid, person`
}

/** The columns of a table by which other rows point at it. */
function pointedAt(plan: Plan, table: string): RawBuilder<unknown> {
  const columns = parentLinks(plan).flatMap(({ target, targetColumns }) =>
    target === table ? targetColumns : [],
  )
  return sql.join(
    [...new Set(columns)].map(
      (column) => sql`, t.${sql.id(column)} as ${lineColumn(plan, table, column)}`,
    ),
    sql``,
  )
}

/** What it is called in a line, where a column of the table may not have the name of one of ours. */
function lineColumn(plan: Plan, table: string, column: string): RawBuilder<unknown> {
  return sql.id(`key_${[...(plan.tables.get(table)?.columns.keys() ?? [])].indexOf(column)}`)
}

/** A row `t` points at the row of the line `b`. */
export function meetsLine(
  plan: Plan,
  { columns, target, targetColumns }: Link,
): RawBuilder<boolean> {
  return sql.join(
    columns.map(
      (column, place) =>
        sql`t.${sql.id(column)} = b.${lineColumn(plan, target, targetColumns[place] ?? '')}`,
    ),
    sql` and `,
  ) as RawBuilder<boolean>
}

/** A row `from` points at the row that `as` stands for. */
export function meets(
  { columns, targetColumns }: Link,
  as: string,
  from = 't',
): RawBuilder<boolean> {
  return sql.join(
    columns.map(
      (column, place) =>
        sql`${sql.id(from)}.${sql.id(column)} = ${sql.id(as)}.${sql.id(targetColumns[place] ?? '')}`,
    ),
    sql` and `,
  ) as RawBuilder<boolean>
}

/** A row `from` is one of those of which the link speaks. */
export function fits({ where }: Link, from = 't'): RawBuilder<unknown> {
  const conditions = Object.entries(where).map(
    ([column, value]) => sql` and ${sql.id(from)}.${sql.id(column)} = ${value}`,
  )
  return sql.join(conditions, sql``)
}
