import type { Counts, Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { belongings, belongingsIn, fits, meets, rowsOf } from './belongings.ts'
import type { Clear, Plan, Step } from './plan.ts'

type RowCounts = Record<string, number>

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
  rows: RawBuilder<unknown>
}

function stepRows(plan: Plan, step: Step): StepRows[] {
  if (step.rule === 'clear') return [{ name: clearedName(step), rows: clearedRows(plan, step) }]
  return step.tables.map((name) => ({
    name,
    rows: sql`select person, part, place from ${belongingsIn(plan, name)}`,
  }))
}

/** What is overwritten is counted under the column too, since rows of the same table may go. */
const clearedName = ({ link }: Clear) => `${link.table}.${link.columns.join(',')}`

/** Rows that point at an erased one and are not erased themselves. */
function clearedRows(plan: Plan, { link }: Clear): RawBuilder<unknown> {
  const goes = plan.hangs.has(link.table)
    ? sql` and not exists (select from ${belongingsIn(plan, link.table)} g where g.part = t.tableoid and g.place = t.ctid)`
    : sql``
  return sql`select b.person, t.tableoid as part, t.ctid as place
    from ${belongingsIn(plan, link.target)} b join ${rowsOf(plan, link.table)} t on ${meets(link, 'b')}${fits(link)}${goes}`
}

/** Erases and overwrites, step by step, all that belongs to these people; tells how many rows it were for each of them. */
export async function eraseRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
): Promise<Map<number, Counts>> {
  if (plan.deferred) await sql`set constraints all deferred`.execute(tx)
  const names = plan.steps.flatMap((step) => stepRows(plan, step).map(({ name }) => name))
  const none = () => Object.fromEntries(names.map((name) => [name, 0]))
  const counts = new Map<number, Counts>(
    userIds.map((id) => [id, { tables: none(), files: 0, bytes: 0 }]),
  )
  for (const { person, files, bytes } of await namedFiles(tx, plan, userIds))
    Object.assign(counts.get(person) ?? {}, { files, bytes })
  for (const step of plan.steps)
    for (const { name, person, rows } of await run(tx, plan, step, userIds)) {
      const counted = counts.get(person)
      if (counted) counted.tables[name] = rows
    }
  return counts
}

interface Done {
  name: string
  person: number
  rows: number
}

async function run(tx: Tx, plan: Plan, step: Step, userIds: number[]): Promise<Done[]> {
  const own = stepRows(plan, step)
  const changes = own.map(({ rows }, n) => {
    const [found, changed] = [sql.id(`found_${n}`), sql.id(`changed_${n}`)]
    const table = step.rule === 'clear' ? step.link.table : (step.tables[n] ?? '')
    // By their places alone where one table holds them all: no way is shorter.
    const these = plan.tables.get(table)?.partitioned
      ? sql`(t.tableoid, t.ctid) in (select part, place from ${found})`
      : sql`t.ctid = any(array(select place from ${found}))`
    const change =
      step.rule === 'clear'
        ? sql`update ${rowsOf(plan, table)} t set ${assignments(step)} where ${these} returning 1`
        : sql`delete from ${rowsOf(plan, table)} t where ${these} returning 1`
    return sql`${found} as materialized (${rows}), ${changed} as (${change})`
  })
  const told = own.map(
    ({ name }, n) =>
      sql`select ${sql.lit(name)} as name, person, count(*) as rows from ${sql.id(`found_${n}`)} group by person`,
  )
  const needed = step.rule === 'clear' ? [step.link.target, step.link.table] : step.tables
  const { rows } = await sql<Done>`${nameOf(own)}
    ${belongings(
      plan,
      userIds,
      needed.filter((table) => plan.hangs.has(table)),
    )}, ${sql.join(changes)}
    ${sql.join(told, sql` union all `)}`.execute(tx)
  return rows
}

/** Whoever looks at what the database does sees which step it is. */
function nameOf(own: StepRows[]): RawBuilder<unknown> {
  const names = own.map(({ name }) => name.replaceAll(/[^\w.,]/g, '')).join(' ')
  return sql.raw(`/* erase ${names} */`)
}

function assignments({ set }: Clear): RawBuilder<unknown> {
  return sql.join(set.map(([column, value]) => sql`${sql.id(column)} = ${value}`))
}

/** Files are counted by the rows that name them: they themselves are gone by now, perhaps since an earlier try. */
async function namedFiles(tx: Tx, plan: Plan, userIds: number[]) {
  const named = Object.entries(plan.map.tables).flatMap(([table, { files }]) =>
    files && plan.hangs.has(table) ? [{ table, ...files }] : [],
  )
  if (named.length === 0) return []
  const each = named.map(
    ({ table, bytes }) => sql`select b.person, t.${sql.id(bytes)} as bytes
      from ${belongingsIn(plan, table)} b join ${rowsOf(plan, table)} t on t.tableoid = b.part and t.ctid = b.place`,
  )
  const { rows } = await sql<{ person: number; files: number; bytes: number }>`
    ${belongings(
      plan,
      userIds,
      named.map(({ table }) => table),
    )}
    select person, count(*) as files, sum(bytes) as bytes from (${sql.join(each, sql` union all `)}) f
    group by person`.execute(tx)
  return rows
}
