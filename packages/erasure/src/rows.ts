import type { Counts, Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { belongings, belongingsIn, fits, meets, rowsOf } from './belongings.ts'
import { holdStill } from './hold-still.ts'
import type { Clear, Plan, Step } from './plan.ts'

type RowCounts = Record<string, number>

/** Of one table there are more rows than may go at once: the transaction is to be rolled back. */
export class TooManyRows extends Error {
  override name = 'TooManyRows'
}

/** How many rows of each table the plan would erase, or overwrite, for this person. */
export async function countRows(db: Db, plan: Plan, userId: number): Promise<RowCounts> {
  const counted = plan.steps.flatMap((step) =>
    stepRows(plan, step).map(
      ({ name, rows }) => sql`select ${sql.lit(name)} as name, count(*) as rows from (${rows}) r`,
    ),
  )
  const { rows } = await sql<{ name: string; rows: number }>`
    ${belongings(plan, [userId])} ${sql.join(counted, sql` union all `)}`.execute(db)
  return Object.fromEntries(rows.map(({ name, rows }) => [name, rows]))
}

interface StepRows {
  /** Under which they are counted. */
  name: string
  table: string
  rows: RawBuilder<unknown>
}

function stepRows(plan: Plan, step: Step): StepRows[] {
  if (step.rule === 'clear')
    return [
      { name: clearedName(step), table: step.link.table, rows: sql`select ${cleared(plan, step)}` },
    ]
  return step.tables.map((table) => ({
    name: table,
    table,
    rows: sql`select person, part, place from ${belongingsIn(plan, table)}`,
  }))
}

/** What is overwritten is counted under the column too, since rows of the same table may go. */
export const clearedName = ({ link }: Clear) => `${link.table}.${link.columns.join(',')}`

/** What follows `select`: rows that point at an erased one and are not erased themselves. */
export function cleared(plan: Plan, { link }: Clear): RawBuilder<unknown> {
  const goes = plan.hangs.has(link.table)
    ? sql` and not exists (select from ${belongingsIn(plan, link.table)} g where g.part = t.tableoid and g.place = t.ctid)`
    : sql``
  return sql`b.person, t.tableoid as part, t.ctid as place
    from ${belongingsIn(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${meets(link, 'b')}${fits(link)}${goes}`
}

/**
 * Erases and overwrites, step by step, all that belongs to these people; tells how many rows it were for each of them.
 * Throws `TooManyRows` where a step would change more than `atMost`.
 */
export async function eraseRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
  atMost = Number.POSITIVE_INFINITY,
): Promise<Map<number, Counts>> {
  if (plan.deferred) await sql`set constraints all deferred`.execute(tx)
  const there = await holdStill(tx, plan, userIds)
  const names = plan.steps.flatMap((step) => stepRows(plan, step).map(({ name }) => name))
  const none = Object.fromEntries(names.map((name) => [name, 0]))
  const counts = new Map<number, Counts>(
    userIds.map((id) => [id, { tables: { ...none }, files: 0, bytes: 0 }]),
  )
  for (const step of plan.steps) {
    if (step.rule === 'delete' && step.tables.join() === plan.map.person.table) {
      await erasePeople(tx, plan, there)
      for (const id of there)
        Object.assign(counts.get(id)?.tables ?? {}, { [step.tables.join()]: 1 })
      continue
    }
    const changed = await run(tx, plan, step, userIds, atMost)
    for (const { name, person, rows, files, bytes } of changed) {
      const counted = counts.get(person)
      if (!counted) continue
      counted.tables[name] = rows
      counted.files += files
      counted.bytes += bytes
    }
  }
  return counts
}

/** Nothing hangs on them any more, and who of them is there is known: they are held. */
async function erasePeople(tx: Tx, plan: Plan, there: number[]): Promise<void> {
  const { table, key } = plan.map.person
  await sql`${titleOf([table])} delete from ${rowsOf(plan, table)} t
    where t.${sql.id(key)} = any(${there}::bigint[])`.execute(tx)
}

interface Changed {
  name: string
  person: number
  rows: number
  files: number
  bytes: number
}

async function run(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<Changed[]> {
  const own = stepRows(plan, step)
  // One row more shows that there are too many.
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const parts = own.map(({ name, table, rows }, n) => {
    const changed = sql.id(`changed_${n}`)
    const direct = step.rule === 'delete' ? directLink(plan, table) : undefined
    const told = (from: RawBuilder<unknown>) => tellOf(plan, step, table, name, from)
    if (direct) {
      const person = sql`t.${sql.id(direct.column)}`
      const these = sql`from ${rowsOf(plan, table)} t where ${person} = any(${userIds}::bigint[])${direct.fits}${limit}`
      const change = changeOf(plan, step, table, inPlaces(plan, table, these), person)
      return { needs: [], ctes: [sql`${changed} as (${change})`], told: told(changed) }
    }
    const found = sql.id(`found_${n}`)
    const change = changeOf(
      plan,
      step,
      table,
      inPlaces(plan, table, sql`from (select part as tableoid, place as ctid from ${found}) t`),
    )
    return {
      needs: step.rule === 'clear' ? [step.link.target, table] : [table],
      ctes: [sql`${found} as materialized (${rows}${limit})`, sql`${changed} as (${change})`],
      told: told(sql`${found} left join ${changed} using (part, place)`),
    }
  })
  const needed = parts.flatMap(({ needs }) => needs).filter((table) => plan.hangs.has(table))
  const ctes = parts.flatMap((part) => part.ctes)
  const before = needed.length > 0 ? sql`${belongings(plan, userIds, needed)},` : sql`with`
  const { rows } = await sql<{ name: string; each: [number, number, number, number][] }>`
    ${titleOf(own.map(({ name }) => name))}
    ${before} ${sql.join(ctes)} ${sql.join(
      parts.map(({ told }) => told),
      sql` union all `,
    )}`.execute(tx)
  return rows.flatMap(({ name, each }) => {
    const sum = each.reduce((sum, [, rows]) => sum + rows, 0)
    if (sum > atMost) throw new TooManyRows(`more than ${atMost} rows of ${name}`)
    return each.map(([person, rows, files, bytes]) => ({ name, person, rows, files, bytes }))
  })
}

/** The column by which each row of a table names a person, where that alone makes it theirs: most tables are so. */
function directLink(
  plan: Plan,
  table: string,
): { column: string; fits: RawBuilder<unknown> } | undefined {
  const { person } = plan.map
  const [link, ...others] = plan.hangs.get(table) ?? []
  const leads = link?.target === person.table && link.targetColumns.join() === person.key
  if (!link || !leads || others.length > 0) return undefined
  return { column: link.columns[0] ?? '', fits: fits(link) }
}

/** By their places alone where one table holds them all: no way is shorter. */
function inPlaces(plan: Plan, table: string, these: RawBuilder<unknown>): RawBuilder<unknown> {
  return plan.tables.get(table)?.partitioned
    ? sql`(t.tableoid, t.ctid) in (select t.tableoid, t.ctid ${these})`
    : sql`t.ctid = any(array(select t.ctid ${these}))`
}

/** One line for each table, with all people in it: hundreds of lines would take longer to read than the rows to go. */
function tellOf(
  plan: Plan,
  step: Step,
  table: string,
  name: string,
  from: RawBuilder<unknown>,
): RawBuilder<unknown> {
  // Files are counted by the rows that named them: they themselves are gone by now, perhaps since an earlier try.
  const files = namesFiles(plan, step, table)
    ? sql`count(bytes), coalesce(sum(bytes), 0)`
    : sql`0, 0`
  return sql`select ${sql.lit(name)} as name, coalesce(json_agg(each), '[]') as each
    from (select json_build_array(person, count(*), ${files}) as each from ${from} group by person) e`
}

/** What the step does to the rows `t` of which `these` holds; of deleted ones it tells whose they were, or where they lay. */
export function changeOf(
  plan: Plan,
  step: Step,
  table: string,
  these: RawBuilder<unknown>,
  person?: RawBuilder<unknown>,
): RawBuilder<unknown> {
  if (step.rule === 'clear') {
    const set = step.set.map(([column, value]) => sql`${sql.id(column)} = ${value}`)
    return sql`update ${rowsOf(plan, table)} t set ${sql.join(set)} where ${these} returning t.tableoid as part, t.ctid as place`
  }
  const { files } = plan.map.tables[table] ?? {}
  const bytes = files ? sql`, t.${sql.id(files.bytes)}::bigint as bytes` : sql``
  const told = person ? sql`${person} as person` : sql`t.tableoid as part, t.ctid as place`
  return sql`delete from ${rowsOf(plan, table)} t where ${these} returning ${told}${bytes}`
}

export function namesFiles(plan: Plan, step: Step, table: string): boolean {
  return step.rule === 'delete' && plan.map.tables[table]?.files !== undefined
}

/** Whoever looks at what the database does sees which step it is. */
export function titleOf(names: string[]): RawBuilder<unknown> {
  return sql.raw(`/* erase ${names.map((name) => name.replaceAll(/[^\w.,]/g, '')).join(' ')} */`)
}
