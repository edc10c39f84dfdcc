import type { Counts, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { belongings, fits, rowsOf } from './belongings.ts'
import { holdStill } from './hold-still.ts'
import type { Plan, Step } from './plan.ts'
import { namesPerson } from './reach.ts'
import { changeOf, fileSums, inPlaces, stepRows, titleOf } from './step-rows.ts'

/** Of one table there are more rows than may go at once: the transaction is to be rolled back. */
export class TooManyRows extends Error {
  override name = 'TooManyRows'
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
    for (const { name, person, rows, files, bytes } of await run(tx, plan, step, userIds, atMost)) {
      const counted = counts.get(person)
      if (!counted) continue
      counted.tables[name] = (counted.tables[name] ?? 0) + rows
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

// Somebody changes the very rows again and again: the erasure is for later.
const ROUNDS = 20

/**
 * A row that somebody changed after our statement had begun is not where it was found, and is passed over: it is looked
 * for once more. Seldom is there more than one round.
 */
async function run(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<Changed[]> {
  const all: Changed[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const { changed, missed } = await runOnce(tx, plan, step, userIds, atMost)
    all.push(...changed)
    if (missed === 0) return all
  }
  throw new Error('rows are changed faster than they can be erased')
}

async function runOnce(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<{ changed: Changed[]; missed: number }> {
  const own = stepRows(plan, step)
  const parts = own.map(({ name, table, rows }, n) => {
    const as = { found: sql.id(`found_${n}`), changed: sql.id(`changed_${n}`) }
    const link = step.rule === 'delete' ? directLink(plan, table) : undefined
    const part = link
      ? whatNames(plan, step, table, link, userIds, atMost, as)
      : whatWasFound(plan, step, table, rows, atMost, as)
    return { ...part, told: tellOf(plan, step, { name, table }, part, as.changed) }
  })
  const needs = parts.flatMap((part) => part.needs)
  const { rows } = await sql<Told>`
    ${titleOf(own.map(({ name }) => name))}
    ${needs.length > 0 ? sql`${belongings(plan, userIds, needs)},` : sql`with`}
    ${sql.join(parts.map(({ ctes }) => ctes))}
    ${sql.join(
      parts.map(({ told }) => told),
      sql` union all `,
    )}`.execute(tx)
  const crowded = rows.find(({ crowded }) => crowded)
  if (crowded) throw new TooManyRows(`more than ${atMost} rows of ${crowded.name}`)
  return {
    changed: rows.flatMap(({ name, each }) =>
      each.map(([person, rows, files, bytes]) => ({ name, person, rows, files, bytes })),
    ),
    missed: rows.reduce((sum, { missed }) => sum + missed, 0),
  }
}

/** Expressions that find rows and change them, and what is to be said of that. */
interface Part {
  /** The tables of which they need the belongings. */
  needs: string[]
  ctes: RawBuilder<unknown>
  crowded: RawBuilder<unknown>
  missed: RawBuilder<unknown>
}

interface Names {
  found: RawBuilder<unknown>
  changed: RawBuilder<unknown>
}

/**
 * Rows that name the person themselves are not looked for first: that would cost a third of the deletes. One that somebody
 * changes meanwhile is followed by PostgreSQL to where it lies now. Where there are too many, none goes.
 */
function whatNames(
  plan: Plan,
  step: Step,
  table: string,
  { column, fits }: DirectLink,
  userIds: number[],
  atMost: number,
  { found, changed }: Names,
): Part {
  const whose = sql`t.${sql.id(column)}`
  const these = sql`${whose} = any(${userIds}::bigint[])${fits}`
  const more = Number.isFinite(atMost)
    ? sql`(select count(*) from (select from ${rowsOf(plan, table)} t where ${these} limit ${atMost + 1}::bigint) l) > ${atMost}::bigint`
    : sql`false`
  const few = sql`${these} and not (select crowded from ${found})`
  return {
    needs: [],
    ctes: sql`${found} as materialized (select ${more} as crowded),
      ${changed} as (${changeOf(plan, step, table, few, { person: whose })})`,
    crowded: sql`(select crowded from ${found})`,
    missed: sql`0`,
  }
}

/** Rows that belong to the person by what they hang on are looked for, and then changed where they lie. */
function whatWasFound(
  plan: Plan,
  step: Step,
  table: string,
  rows: RawBuilder<unknown>,
  atMost: number,
  { found, changed }: Names,
): Part {
  // One row more shows that there are too many.
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const these = sql`${inPlaces(plan, table, found)} and t.tableoid = f.part and t.ctid = f.place`
  const change = changeOf(plan, step, table, these, {
    person: sql`f.person`,
    found: sql`${found} f`,
  })
  const needs = step.rule === 'clear' ? [step.link.target, table] : [table]
  const count = (of: RawBuilder<unknown>) => sql`(select count(*) from ${of})`
  return {
    needs: needs.filter((needed) => plan.hangs.has(needed)),
    ctes: sql`${found} as materialized (${rows}${limit}), ${changed} as (${change})`,
    crowded: Number.isFinite(atMost) ? sql`${count(found)} > ${atMost}::bigint` : sql`false`,
    missed: sql`${count(found)} - ${count(changed)}`,
  }
}

interface DirectLink {
  column: string
  fits: RawBuilder<unknown>
}

/** The column by which each row of a table names a person, where that alone makes it theirs: most tables are so. */
function directLink(plan: Plan, table: string): DirectLink | undefined {
  const [link, ...others] = plan.hangs.get(table) ?? []
  if (!link || others.length > 0 || !namesPerson(plan.map, link)) return undefined
  return { column: link.columns[0] ?? '', fits: fits(link) }
}

interface Told {
  name: string
  crowded: boolean
  missed: number
  each: [person: number, rows: number, files: number, bytes: number][]
}

/** One line for each table, with all people in it: hundreds of lines would take longer to read than the rows to go. */
function tellOf(
  plan: Plan,
  step: Step,
  { name, table }: { name: string; table: string },
  { crowded, missed }: Part,
  changed: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const { files, bytes } = fileSums(plan, step, table)
  return sql`select ${sql.lit(name)} as name, ${crowded} as crowded, ${missed} as missed,
      coalesce(json_agg(each), '[]') as each
    from (select json_build_array(person, count(*), ${files}, ${bytes}) as each from ${changed} group by person) e`
}
