import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import {
  countRows,
  type DataMap,
  eraseRows,
  IncompleteDataMapError,
  makePlan,
  type Plan,
  RowsKeptError,
} from '../src/index.ts'
import {
  createFences,
  eraseInChunks,
  kindOf,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  makeWorld,
  mapOf,
  payloadLink,
  rowOf,
  rowsIn,
  schemaOf,
  tableOf,
  tablesLosingRows,
  worlds,
} from '../testing/index.ts'

// PLAN_RUNS: the number of schemas. PLAN_SEED: repeats the schemas of an earlier run.
const numRuns = Number(process.env.PLAN_RUNS ?? 500)
if (process.env.PLAN_RUNS) t.setTimeout(180_000 + numRuns * 2_000)
const SCHEMAS_PER_CONNECTION = 20
const seed = process.env.PLAN_SEED === undefined ? {} : { seed: Number(process.env.PLAN_SEED) }

t.test(
  `${numRuns} random schemas: erases exactly the rows of a person, and the counts agree`,
  async (t) => {
    const { url } = await testDb(t)
    let db = connect(url, { max: 1 })
    t.teardown(() => db.destroy())
    // As in a system with its own people. The built-in tables would also be read again for each schema.
    await sql`drop table public.users, public.sessions, vault.person_keys, public.saved_passwords, public.avatars cascade`.execute(
      db,
    )
    let number = 0
    const property = fc.asyncProperty(worlds, async (world) => {
      const schema = `s${number++}`
      // A connection caches a query plan for each foreign key that it followed, and checks all of them when a table is created.
      if (number % SCHEMAS_PER_CONNECTION === 0) {
        await db.destroy()
        db = connect(url, { max: 1 })
      }
      await makeWorld(db, world, schema)
      try {
        await checkErasure(db, world, schema)
      } finally {
        await sql`set client_min_messages = warning`.execute(db)
        await sql`drop schema ${sql.id(schemaOf(world, schema))} cascade`.execute(db)
      }
    })
    const result = await fc.check(property, {
      numRuns,
      ...seed,
      interruptAfterTimeLimit: 3_600_000,
    })
    const why = result.errorInstance instanceof Error ? result.errorInstance.message : ''
    t.notOk(result.failed, `${why} ${fc.defaultReportMessage(result) ?? ''}`)
  },
)

async function checkErasure(db: Db, world: MadeWorld, schema: string): Promise<void> {
  const map = mapOf(world, schema)
  await createFences(db, map)
  const plan = await makePlan(db, map)
  const ids = world.erased.map((place) => place + 1)
  const previews = new Map<number, Record<string, number>>()
  for (const id of ids) previews.set(id, await countRows(db, plan, id))
  const expected = expectedRows(world)
  if (world.trigger) await checkTriggerIsRequired(db, map)
  if (isKept(world, expected)) return await checkErasureFails(db, world, schema, plan)
  const counts = await erase(db, plan, ids, world.chunkSize)
  for (const [table, rows] of expected.entries())
    equal((await rowsIn(db, world, schema, table)).map(plain), rows, `rows of t${table}`)
  const sums = new Map<string, number>()
  for (const tables of counts.values())
    for (const [name, rows] of Object.entries(tables)) sums.set(name, (sums.get(name) ?? 0) + rows)
  for (const table of tablesLosingRows(world)) {
    const gone = (world.rows[table]?.length ?? 0) - (expected[table]?.length ?? 0)
    equal(sums.get(tableOf(world, schema, table)) ?? 0, gone, `counted of t${table}`)
  }
  const [only] = ids
  if (ids.length === 1 && only !== undefined)
    equal(counts.get(only), previews.get(only), 'the preview')
}

/** Whether a trigger keeps some of the rows that should be erased or overwritten. */
function isKept(world: MadeWorld, expected: Record<string, unknown>[][]): boolean {
  const { trigger } = world
  if (trigger?.does !== 'keep') return false
  const before = [...(world.rows[trigger.table] ?? []).keys()].map((place) =>
    rowOf(world, trigger.table, place, [], 'payload'),
  )
  return JSON.stringify(before) !== JSON.stringify(expected[trigger.table])
}

async function checkErasureFails(
  db: Db,
  world: MadeWorld,
  schema: string,
  plan: Plan,
): Promise<void> {
  const all = () => Promise.all(world.tables.map((_, table) => rowsIn(db, world, schema, table)))
  const before = await all()
  const ids = world.erased.map((place) => place + 1)
  const error = await erase(db, plan, ids, world.chunkSize).catch((error: unknown) => error)
  if (!(error instanceof RowsKeptError)) throw error ?? new Error('kept rows were erased')
  const name = world.trigger && tableOf(world, schema, world.trigger.table)
  if (!name || !error.message.startsWith(name)) throw error
  if (world.chunkSize === null) equal(await all(), before, 'after a failure')
}

/** Without the trigger's reason in the map there is no plan, unless the trigger is on a table that an erasure does not change. */
async function checkTriggerIsRequired(db: Db, map: DataMap): Promise<void> {
  const tables = Object.entries(map.tables).map(
    ([name, { triggers: _, ...entry }]) => [name, entry] as const,
  )
  const error = await makePlan(db, { ...map, tables: Object.fromEntries(tables) }).catch(
    (error: unknown) => error,
  )
  if (error instanceof IncompleteDataMapError) equal(error.problems.length, 1, String(error))
  if (error instanceof IncompleteDataMapError && !error.message.includes('meddles')) throw error
}

async function erase(
  db: Db,
  plan: Plan,
  ids: number[],
  chunkSize: number | null,
): Promise<Map<number, Record<string, number>>> {
  const before = new Map<number, Record<string, number>>()
  if (chunkSize !== null)
    for (const id of ids) before.set(id, await eraseInChunks(db, plan, id, chunkSize))
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

/** The rows that should remain in each table, computed row by row. */
function expectedRows(world: MadeWorld): Record<string, unknown>[][] {
  const { tables, rows, erased } = world
  const lost = tablesLosingRows(world)
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
        const goes = links.some(({ rule }, n) => rule === 'delete' && pointsAtGone(table, place, n))
        if (!goes || gone[table]?.has(place)) continue
        gone[table]?.add(place)
        again = true
      }
  }
  return tables.map(({ links }, table) => {
    const clearing = links.flatMap(({ rule, target }, n) =>
      rule === 'anonymize' && lost.has(target) ? [n] : [],
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
      value === null ? value : /^[kl]\d/.test(name) ? Number(value) : String(value).trimEnd(),
    ]),
  )

function equal(actual: unknown, wanted: unknown, what: string): void {
  const [one, other] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(wanted))]
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`)
}

/** Sorts members by name, so that their order does not count. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, sorted(member)] as const)
      .sort(([a], [b]) => a.localeCompare(b)),
  )
}
