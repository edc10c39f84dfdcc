import type { Counts, Tx } from '@lethe/db'
import { sql } from 'kysely'
import { anyOf, findRows, rowsOf } from '../plan/link-graph.ts'
import type { Plan, Step } from '../plan/plan.ts'
import {
  changeStatement,
  countUnchanged,
  isFoundRow,
  namesFiles,
  stepMarker,
  stepRows,
} from '../plan/step-sql.ts'
import { directTable, eraseDirectRows, readDirectRows } from './direct-rows.ts'
import { lockParents } from './lock-parents.ts'
import { addCounts, type RowsByPerson, rowsByPerson, TooManyRowsError } from './row-counts.ts'
import { checkNotGuarded, RowsKeptError } from './rows-kept.ts'

/**
 * Erases or overwrites all rows that belong to these people, step by step, and returns the counts for each person.
 * Throws `TooManyRowsError` if a step would change more than `atMost` rows, and `RowsKeptError` if it changes fewer than it found.
 */
export async function eraseRows(
  tx: Tx,
  plan: Plan,
  userIds: number[],
  atMost = Number.POSITIVE_INFINITY,
): Promise<Map<number, Counts>> {
  if (plan.deferred) await sql`set constraints all deferred`.execute(tx)
  const existingIds = await lockParents(tx, plan, userIds)
  const names = plan.steps.flatMap((step) => stepRows(plan, step).map(({ name }) => name))
  const none = Object.fromEntries(names.map((name) => [name, 0]))
  const counts = new Map<number, Counts>(
    userIds.map((id) => [id, { tables: { ...none }, files: 0, bytes: 0 }]),
  )
  const found = new Map<string, number>()
  for (const rows of await readDirectRows(tx, plan, userIds, atMost)) {
    addCounts(counts, rows)
    found.set(rows.name, rows.people.length)
  }
  for (const step of plan.steps) {
    if (step.rule === 'delete' && step.tables.join() === plan.map.person.table) {
      await erasePeople(tx, plan, existingIds)
      addCounts(counts, { name: plan.map.person.table, people: existingIds, bytes: [] })
      continue
    }
    const direct = directTable(plan, step)
    if (direct) await eraseDirectRows(tx, plan, direct, userIds, found.get(direct.table) ?? 0)
    else for (const rows of await runStep(tx, plan, step, userIds, atMost)) addCounts(counts, rows)
  }
  return counts
}

/** `lockParents` locked these people, so all of them still exist; the earlier steps removed the rows that reference them. */
async function erasePeople(tx: Tx, plan: Plan, existingIds: number[]): Promise<void> {
  const { table, key } = plan.map.person
  const { numAffectedRows } = await sql`${stepMarker([table])} delete from ${rowsOf(plan, table)} t
    where t.${sql.id(key)} = ${anyOf(existingIds)}`.execute(tx)
  const removed = Number(numAffectedRows)
  if (removed !== existingIds.length) throw new RowsKeptError(table, existingIds.length, removed)
}

// After this many rounds another client keeps changing the same rows. The erasure fails and can be tried again later.
const MAX_ROUNDS = 20

/**
 * A row that another transaction updates after the statement began has a new ctid, and the statement skips it. So the
 * step runs again until no row was skipped; one round is usually enough.
 */
async function runStep(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<RowsByPerson[]> {
  const all: RowsByPerson[] = []
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const rows = await runStepOnce(tx, plan, step, userIds, atMost)
    all.push(...rows)
    const restored = rows.find(({ unchanged }) => unchanged > 0)
    if (restored)
      throw new RowsKeptError(restored.name, restored.found, restored.found - restored.unchanged)
    const missed = rows.filter(({ found, people }) => people.length !== found)
    if (missed.length === 0) return all
    for (const { table, found, people } of missed)
      await checkNotGuarded(tx, plan, { table, found, removed: people.length })
  }
  throw new Error('rows are changed faster than they can be erased')
}

async function runStepOnce(
  tx: Tx,
  plan: Plan,
  step: Step,
  userIds: number[],
  atMost: number,
): Promise<FoundRows[]> {
  const own = stepRows(plan, step)
  // One row beyond `atMost` shows that there are too many.
  const limit = Number.isFinite(atMost) ? sql` limit ${atMost + 1}::bigint` : sql``
  const parts = own.map(({ name, table, rows }, n) => {
    const [found, changed] = [sql.id(`found_${n}`), sql.id(`changed_${n}`)]
    const these = sql`${isFoundRow(plan, table, found)} and t.tableoid = f.table_oid and t.ctid = f.ctid`
    const change = changeStatement(plan, step, table, these, {
      person: sql`f.person`,
      found: sql`${found} f`,
    })
    const needs = step.rule === 'anonymize' ? [step.link.target, table] : [table]
    return {
      needs: needs.filter((needed) => plan.parents.has(needed)),
      ctes: sql`${found} as materialized (${rows}${limit}), ${changed} as (${change})`,
      summary: sql`select ${sql.lit(name)} as name, ${sql.lit(table)} as table, (select count(*) from ${found}) as found,
        ${countUnchanged(step)} as unchanged, ${rowsByPerson(namesFiles(plan, step, table))} from ${changed}`,
    }
  })
  const needs = parts.flatMap((part) => part.needs)
  const { rows } = await sql<FoundRows>`
    ${stepMarker(own.map(({ name }) => name))}
    ${needs.length > 0 ? sql`${findRows(plan, anyOf(userIds), needs)},` : sql`with`}
    ${sql.join(parts.map(({ ctes }) => ctes))}
    ${sql.join(
      parts.map(({ summary }) => summary),
      sql` union all `,
    )}`.execute(tx)
  const exceeding = rows.find(({ found }) => found > atMost)
  if (exceeding) throw new TooManyRowsError(`more than ${atMost} rows of ${exceeding.name}`)
  return rows
}

interface FoundRows extends RowsByPerson {
  table: string
  /** How many rows the step found; `people` has one item for each row that it changed. */
  found: number
  /** How many of the changed rows do not hold the written values. */
  unchanged: number
}
