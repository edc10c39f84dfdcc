import type { Counts, Tx } from '@lethe/db'
import { sql } from 'kysely'
import { anyOf, findRows, rowsOf } from '../plan/link-graph.ts'
import type { Plan, Step } from '../plan/plan.ts'
import { changeOf, inPlaces, namesFiles, stepRows, titleOf, unchanged } from '../plan/step-sql.ts'
import { directTable, eraseDirectRows, readDirectRows } from './direct-rows.ts'
import { lockParents } from './lock-parents.ts'
import { addCounts, type RowsByPerson, rowsByPerson, TooManyRowsError } from './row-counts.ts'
import { checkNotGuarded, RowsKeptError } from './rows-kept.ts'

/**
 * Erases and overwrites, step by step, all that belongs to these people; tells how many rows it were for each of them.
 * Throws `TooManyRowsError` where a step would change more than `atMost`, and `RowsKeptError` where it changes less than it found.
 */
export async function eraseRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
  atMost = Number.POSITIVE_INFINITY,
): Promise<Map<number, Counts>> {
  if (plan.deferred) await sql`set constraints all deferred`.execute(tx)
  const there = await lockParents(tx, plan, userIds)
  const names = plan.steps.flatMap((step) => stepRows(plan, step).map(({ name }) => name))
  const none = Object.fromEntries(names.map((name) => [name, 0]))
  const counts = new Map<number, Counts>(
    userIds.map((id) => [id, { tables: { ...none }, files: 0, bytes: 0 }]),
  )
  const found = new Map<string, number>()
  for (const told of await readDirectRows(tx, plan, userIds, atMost)) {
    addCounts(counts, told)
    found.set(told.name, told.people.length)
  }
  for (const step of plan.steps) {
    if (step.rule === 'delete' && step.tables.join() === plan.map.person.table) {
      await erasePeople(tx, plan, there)
      addCounts(counts, { name: plan.map.person.table, people: there, bytes: [] })
      continue
    }
    const named = directTable(plan, step)
    if (named) await eraseDirectRows(tx, plan, named, userIds, found.get(named.table) ?? 0)
    else for (const told of await run(tx, plan, step, userIds, atMost)) addCounts(counts, told)
  }
  return counts
}

/** Nothing hangs on them any more, and who of them is there is known: they are held. */
async function erasePeople(tx: Tx, plan: Plan, there: number[]): Promise<void> {
  const { table, key } = plan.map.person
  const { numAffectedRows } = await sql`${titleOf([table])} delete from ${rowsOf(plan, table)} t
    where t.${sql.id(key)} = ${anyOf(there)}`.execute(tx)
  const removed = Number(numAffectedRows)
  if (removed !== there.length) throw new RowsKeptError(table, there.length, removed)
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
): Promise<RowsByPerson[]> {
  const all: RowsByPerson[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const rows = await runOnce(tx, plan, step, userIds, atMost)
    all.push(...rows)
    const put = rows.find(({ unchanged }) => unchanged > 0)
    if (put) throw new RowsKeptError(put.name, put.found, put.found - put.unchanged)
    const missed = rows.filter(({ found, people }) => people.length !== found)
    if (missed.length === 0) return all
    for (const { table, found, people } of missed)
      await checkNotGuarded(tx, plan, { table, found, removed: people.length })
  }
  throw new Error('rows are changed faster than they can be erased')
}

async function runOnce(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<FoundRows[]> {
  const own = stepRows(plan, step)
  // One row more shows that there are too many.
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const parts = own.map(({ name, table, rows }, n) => {
    const [found, changed] = [sql.id(`found_${n}`), sql.id(`changed_${n}`)]
    const these = sql`${inPlaces(plan, table, found)} and t.tableoid = f.table_oid and t.ctid = f.ctid`
    const change = changeOf(plan, step, table, these, {
      person: sql`f.person`,
      found: sql`${found} f`,
    })
    const needs = step.rule === 'clear' ? [step.link.target, table] : [table]
    return {
      needs: needs.filter((needed) => plan.parents.has(needed)),
      ctes: sql`${found} as materialized (${rows}${limit}), ${changed} as (${change})`,
      told: sql`select ${sql.lit(name)} as name, ${sql.lit(table)} as table, (select count(*) from ${found}) as found,
        ${unchanged(step)} as unchanged, ${rowsByPerson(namesFiles(plan, step, table))} from ${changed}`,
    }
  })
  const needs = parts.flatMap((part) => part.needs)
  const { rows } = await sql<FoundRows>`
    ${titleOf(own.map(({ name }) => name))}
    ${needs.length > 0 ? sql`${findRows(plan, anyOf(userIds), needs)},` : sql`with`}
    ${sql.join(parts.map(({ ctes }) => ctes))}
    ${sql.join(
      parts.map(({ told }) => told),
      sql` union all `,
    )}`.execute(tx)
  const crowded = rows.find(({ found }) => found > atMost)
  if (crowded) throw new TooManyRowsError(`more than ${atMost} rows of ${crowded.name}`)
  return rows
}

interface FoundRows extends RowsByPerson {
  table: string
  /** Of which those that are told were changed. */
  found: number
  /** Of these, how many do not hold what was written. */
  unchanged: number
}
