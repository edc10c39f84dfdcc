import type { Counts, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { belongings, belongingsIn, fits, meets, rowsOf } from './belongings.ts'
import { type Plan, type Step, waysOf } from './plan.ts'
import type { Link } from './reach.ts'
import { changeOf, cleared, clearedName, namesFiles, titleOf } from './step-rows.ts'

/**
 * Erases up to `atMost` rows of this person ahead of the erasure, by the `place`th way of the plan on which rows can be
 * found; undefined where it has no so many ways. Less than `atMost` were left on that way if it tells of less.
 *
 * It may be left off between any two portions, and it need not find everything: what it passes over (the person, rows that
 * somebody is using, rows on which others still hang) is for `eraseRows`, which finds the rest of it all at once.
 */
export async function erasePortion(
  tx: Tx,
  plan: Plan,
  place: number,
  userId: number,
  atMost: number,
): Promise<Counts | undefined> {
  const portion = plan.steps.flatMap((step) => portionsOf(plan, step, userId))[place]
  if (!portion) return undefined
  const { name, table, step } = portion
  const alone = childless(plan, step, table)
  const { rows: locked } = await sql<{ part: number; place: string }>`${titleOf([name])}
    ${portion.rows}${alone} limit ${atMost} for update of t skip locked`.execute(tx)
  // Asked once more of each row that we hold: nothing can come to hang on it any more.
  const places = locked.map(({ place }) => place)
  const these = plan.tables.get(table)?.partitioned
    ? sql`(t.tableoid, t.ctid) in (select * from unnest(${locked.map(({ part }) => part)}::oid[], ${places}::tid[]))`
    : sql`t.ctid = any(${places}::tid[])`
  const bytes = namesFiles(plan, step, table) ? sql`bytes` : sql`null::bigint`
  const { rows } = await sql<{ rows: number; files: number; bytes: number }>`${titleOf([name])}
    with changed as (${changeOf(plan, step, table, sql`${these}${alone}`)})
    select count(*) as rows, count(${bytes}) as files, coalesce(sum(${bytes}), 0)::bigint as bytes from changed`.execute(
    tx,
  )
  const [changed = { rows: 0, files: 0, bytes: 0 }] = rows
  return { tables: { [name]: changed.rows }, files: changed.files, bytes: changed.bytes }
}

interface Portion {
  name: string
  table: string
  step: Step
  /** `select … where true`, of rows `t`. */
  rows: RawBuilder<unknown>
}

/** Along one link after the other: so the first rows are found without a look at all others. */
function portionsOf(plan: Plan, step: Step, userId: number): Portion[] {
  if (step.rule === 'clear') {
    const { link } = step
    const needed = [link.target, link.table].filter((table) => plan.hangs.has(table))
    const rows = sql`${belongings(plan, [userId], needed)} ${places} from (select ${cleared(plan, step)}) c
      join ${rowsOf(plan, link.table)} t on t.tableoid = c.part and t.ctid = c.place where true`
    return [{ name: clearedName(step), table: link.table, step, rows }]
  }
  const isCircle = plan.circles.includes(step.tables)
  return step.tables.flatMap((table) => {
    if (table === plan.map.person.table) return []
    const links = (plan.hangs.get(table) ?? []).filter(
      ({ target }) => !step.tables.includes(target),
    )
    const ways = links.map((link) => alongLink(plan, link, userId))
    if (isCircle)
      ways.push(sql`${belongings(plan, [userId], [table])} ${places} from ${belongingsIn(plan, table)} b
        join ${rowsOf(plan, table)} t on t.tableoid = b.part and t.ctid = b.place where true`)
    return ways.map((rows) => ({ name: table, table, step, rows }))
  })
}

const places = sql`select t.tableoid as part, t.ctid::text as place`

function alongLink(plan: Plan, link: Link, userId: number): RawBuilder<unknown> {
  const { person } = plan.map
  const [column = ''] = link.columns
  if (link.target === person.table && link.targetColumns.join() === person.key)
    return sql`${places} from ${rowsOf(plan, link.table)} t where t.${sql.id(column)} = ${userId}${fits(link)}`
  return sql`${belongings(plan, [userId], [link.target])} ${places} from ${belongingsIn(plan, link.target)} b
    join ${rowsOf(plan, link.table)} t on ${meets(link, 'b')}${fits(link)} where true`
}

/** Nothing hangs on a row `t` any more. */
function childless(plan: Plan, step: Step, table: string): RawBuilder<unknown> {
  if (step.rule === 'clear') return sql``
  const children = waysOf(plan).filter(({ target }) => target === table)
  return sql.join(
    children.map(({ table, columns, targetColumns, where }) => {
      const meets = columns.map(
        (column, n) => sql`c.${sql.id(column)} = t.${sql.id(targetColumns[n] ?? '')}`,
      )
      const fits = Object.entries(where).map(
        ([column, value]) => sql`c.${sql.id(column)} = ${value}`,
      )
      return sql` and not exists (select from ${rowsOf(plan, table)} c where ${sql.join([...meets, ...fits], sql` and `)})`
    }),
    sql``,
  )
}
