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
  await holdStill(tx, plan, userIds)
  const counts = new Map(userIds.map((id) => [id, noCounts(plan)]))
  for (const step of plan.steps) {
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

function noCounts(plan: Plan): Counts {
  const names = plan.steps.flatMap((step) => stepRows(plan, step).map(({ name }) => name))
  return { tables: Object.fromEntries(names.map((name) => [name, 0])), files: 0, bytes: 0 }
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
  const isBounded = Number.isFinite(atMost)
  const changes = own.map(({ table, rows }, n) => {
    const [found, changed] = [sql.id(`found_${n}`), sql.id(`changed_${n}`)]
    // By their places alone where one table holds them all: no way is shorter.
    const these = plan.tables.get(table)?.partitioned
      ? sql`(t.tableoid, t.ctid) in (select part, place from ${found})`
      : sql`t.ctid = any(array(select place from ${found}))`
    const enough = isBounded
      ? sql` and (select count(*) from ${found}) <= ${atMost}::bigint`
      : sql``
    const change = changeOf(plan, step, table, sql`${these}${enough}`)
    const limit = isBounded ? sql` limit ${atMost + 1}::bigint` : sql``
    return sql`${found} as materialized (${rows}${limit}), ${changed} as (${change})`
  })
  const told = own.map(({ name, table }, n) => {
    const [found, changed] = [sql.id(`found_${n}`), sql.id(`changed_${n}`)]
    // Files are counted by the rows that named them: they themselves are gone by now, perhaps since an earlier try.
    return namesFiles(plan, step, table)
      ? sql`select ${sql.lit(name)} as name, person, count(*) as rows, count(bytes) as files, coalesce(sum(bytes), 0)::bigint as bytes
          from ${found} left join ${changed} using (part, place) group by person`
      : sql`select ${sql.lit(name)} as name, person, count(*) as rows, 0::bigint as files, 0::bigint as bytes from ${found} group by person`
  })
  const needed = step.rule === 'clear' ? [step.link.target, step.link.table] : step.tables
  const { rows } = await sql<Changed>`${titleOf(own.map(({ name }) => name))}
    ${belongings(
      plan,
      userIds,
      needed.filter((table) => plan.hangs.has(table)),
    )}, ${sql.join(changes)}
    ${sql.join(told, sql` union all `)}`.execute(tx)
  for (const { name } of own) {
    const sum = rows.reduce((sum, done) => sum + (done.name === name ? done.rows : 0), 0)
    if (sum > atMost) throw new TooManyRows(`more than ${atMost} rows of ${name}`)
  }
  return rows
}

/** What the step does to the rows `t` of which `these` holds. */
export function changeOf(
  plan: Plan,
  step: Step,
  table: string,
  these: RawBuilder<unknown>,
): RawBuilder<unknown> {
  if (step.rule === 'clear') {
    const set = step.set.map(([column, value]) => sql`${sql.id(column)} = ${value}`)
    return sql`update ${rowsOf(plan, table)} t set ${sql.join(set)} where ${these} returning 1`
  }
  const { files } = plan.map.tables[table] ?? {}
  const told = files
    ? sql`t.tableoid as part, t.ctid as place, t.${sql.id(files.bytes)}::bigint as bytes`
    : sql`1`
  return sql`delete from ${rowsOf(plan, table)} t where ${these} returning ${told}`
}

export function namesFiles(plan: Plan, step: Step, table: string): boolean {
  return step.rule === 'delete' && plan.map.tables[table]?.files !== undefined
}

/** Whoever looks at what the database does sees which step it is. */
export function titleOf(names: string[]): RawBuilder<unknown> {
  return sql.raw(`/* erase ${names.map((name) => name.replaceAll(/[^\w.,]/g, '')).join(' ')} */`)
}
