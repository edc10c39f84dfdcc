import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { countRows, eraseRows, makePlan, type Plan } from '../src/index.ts'
import {
  eraseInPortions,
  kindOf,
  losing,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  makeWorld,
  mapOf,
  payloadLink,
  raiseFences,
  rowOf,
  worlds,
} from '../src/testing.ts'

// PLAN_RUNS and PLAN_SEED: so many schemas, and the same ones again.
const numRuns = Number(process.env.PLAN_RUNS ?? 500)
if (process.env.PLAN_RUNS) t.setTimeout(180_000 + numRuns * 2_000)
const SCHEMAS_OF_A_CONNECTION = 20
const seed = process.env.PLAN_SEED === undefined ? {} : { seed: Number(process.env.PLAN_SEED) }

t.test(
  `${numRuns} random schemas: what hangs on a person is erased, all else is as it was, and the counts agree`,
  async (t) => {
    const { url } = await testDb(t)
    let db = connect(url, { max: 1 })
    t.teardown(() => db.destroy())
    // As for whoever has people of their own; and ours would be read of again for each schema.
    await sql`drop table public.users, public.sessions, vault.person_keys, public.saved_passwords, public.avatars cascade`.execute(
      db,
    )
    let number = 0
    const holds = fc.asyncProperty(worlds, async (world) => {
      const schema = `s${number++}`
      // A connection keeps a plan for each foreign key that it ever followed, and looks at them all whenever a table is made.
      if (number % SCHEMAS_OF_A_CONNECTION === 0) {
        await db.destroy()
        db = connect(url, { max: 1 })
      }
      await makeWorld(db, world, schema)
      try {
        await erasesWhatItShould(db, world, schema)
      } finally {
        await sql`set client_min_messages = warning`.execute(db)
        await sql`drop schema ${sql.id(schema)} cascade`.execute(db)
      }
    })
    const result = await fc.check(holds, { numRuns, ...seed, interruptAfterTimeLimit: 3_600_000 })
    const why = result.errorInstance instanceof Error ? result.errorInstance.message : ''
    t.notOk(result.failed, `${why} ${fc.defaultReportMessage(result) ?? ''}`)
  },
)

async function erasesWhatItShould(db: Db, world: MadeWorld, schema: string): Promise<void> {
  const map = mapOf(world, schema)
  await raiseFences(db, map)
  const plan = await makePlan(db, map)
  const ids = world.erased.map((place) => place + 1)
  const previews = new Map<number, Record<string, number>>()
  for (const id of ids) previews.set(id, await countRows(db, plan, id))
  const expected = oracle(world)
  const counts = await erase(db, plan, ids, world.portion)
  for (const [table, rows] of expected.entries()) {
    const { rows: found } = await sql<Record<string, unknown>>`
      select * from ${sql.table(`${schema}.t${table}`)} order by k0`.execute(db)
    equal(found.map(plain), rows, `rows of t${table}`)
  }
  const sums = new Map<string, number>()
  for (const tables of counts.values())
    for (const [name, rows] of Object.entries(tables)) sums.set(name, (sums.get(name) ?? 0) + rows)
  for (const table of losing(world)) {
    const gone = (world.rows[table]?.length ?? 0) - (expected[table]?.length ?? 0)
    equal(sums.get(`${schema}.t${table}`) ?? 0, gone, `counted of t${table}`)
  }
  const [only] = ids
  if (ids.length === 1 && only !== undefined)
    equal(counts.get(only), previews.get(only), 'the preview')
}

async function erase(
  db: Db,
  plan: Plan,
  ids: number[],
  portion: number | null,
): Promise<Map<number, Record<string, number>>> {
  const before = new Map<number, Record<string, number>>()
  if (portion !== null)
    for (const id of ids) before.set(id, await eraseInPortions(db, plan, id, portion))
  const rest = await db.transaction().execute((tx) => eraseRows(tx, plan, ids))
  return new Map(
    ids.map((id) => [
      id,
      Object.fromEntries(
        Object.entries(rest.get(id)?.tables ?? {}).map(([name, rows]) => [
          name,
          rows + (before.get(id)?.[name] ?? 0),
        ]),
      ),
    ]),
  )
}

/** What should be left of each table, worked out row by row. */
function oracle(world: MadeWorld): Record<string, unknown>[][] {
  const { tables, rows, erased } = world
  const lost = losing(world)
  const gone = tables.map(() => new Set<number>())
  const pointsAtGone = (table: number, place: number, n: number) => {
    const { target, declared } = (tables[table] as MadeTable).links[n] as MadeLink
    const to = rows[table]?.[place]?.[n] ?? null
    const speaks = !declared || kindOf(place) === 'yes'
    return speaks && to !== null && (gone[target]?.has(to) ?? false)
  }
  for (const place of erased) gone[0]?.add(place)
  for (let again = true; again; ) {
    again = false
    for (const [table, { links }] of tables.entries())
      for (const place of (rows[table] ?? []).keys()) {
        const goes = links.some(({ wish }, n) => wish === 'delete' && pointsAtGone(table, place, n))
        if (!goes || gone[table]?.has(place)) continue
        gone[table]?.add(place)
        again = true
      }
  }
  return tables.map(({ links }, table) => {
    const clearing = links.flatMap(({ wish, target }, n) =>
      wish === 'clear' && lost.has(target) ? [n] : [],
    )
    return [...(rows[table] ?? []).keys()].flatMap((place) => {
      if (gone[table]?.has(place)) return []
      const cleared = clearing.filter((n) => pointsAtGone(table, place, n))
      const also = payloadLink(world, table, clearing)
      const overwritten =
        also !== null && cleared.length > 0 && (also === undefined || cleared.includes(also))
      return [rowOf(world, table, place, cleared, overwritten ? 'gone' : 'payload')]
    })
  })
}

const plain = (row: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value === null || name === 'payload' || name.startsWith('kind') ? value : Number(value),
    ]),
  )

function equal(actual: unknown, wanted: unknown, what: string): void {
  const [one, other] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(wanted))]
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`)
}

/** Members by their names: what counts is what they hold. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, sorted(member)] as const)
      .sort(([a], [b]) => a.localeCompare(b)),
  )
}
