import { connect, type Db } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { countRows, eraseRows, makePlan, type Plan } from '../src/index.ts'
import { eraseInPortions, raiseFences } from '../src/testing.ts'
import {
  columnsOf,
  losing,
  type MadeLink,
  type MadeTable,
  type MadeWorld,
  mapOf,
  payloadLink,
  worlds,
} from './random-schema.ts'

// PLAN_RUNS and PLAN_SEED: so many schemas, and the same ones again.
const numRuns = Number(process.env.PLAN_RUNS ?? 500)
// A schema takes less than half a second.
const LONG_ENOUGH = Math.max(180_000, numRuns * 500)
t.setTimeout(LONG_ENOUGH)
const SCHEMAS_OF_A_CONNECTION = 20
const seed = process.env.PLAN_SEED === undefined ? {} : { seed: Number(process.env.PLAN_SEED) }

t.test(
  `${numRuns} random schemas: what hangs on a person is erased, all else is as it was, and the counts agree`,
  async (t) => {
    t.setTimeout(LONG_ENOUGH)
    const { url } = await testDb(t)
    let db = connect(url, { max: 1 })
    t.teardown(() => db.destroy())
    // As for whoever has people of their own; and ours would be read of again for each schema.
    await sql`drop table users, sessions, vault.person_keys, saved_passwords, avatars cascade`.execute(
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
      await make(db, world, schema)
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

/** As the database holds it. Keys begin at one; the second column of a key is ten times the first. */
function rowOf(
  world: MadeWorld,
  table: number,
  place: number,
  cleared: number[],
  payload: string,
): Record<string, unknown> {
  const { keys, links } = world.tables[table] as MadeTable
  const row: Record<string, unknown> = { k0: place + 1 }
  if (keys === 2) row.k1 = (place + 1) * 10
  for (const [n, { declared }] of links.entries()) {
    const to = world.rows[table]?.[place]?.[n] ?? null
    for (const [part, column] of columnsOf(world, table, n).entries())
      row[column] = to === null || cleared.includes(n) ? null : (to + 1) * 10 ** part
    if (declared) row[`kind${n}`] = kindOf(place)
  }
  return { ...row, payload }
}

/** Every third row of a declared link is none of those that it speaks of. */
const kindOf = (place: number) => (place % 3 === 2 ? 'no' : 'yes')

const plain = (row: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value === null || name === 'payload' || name.startsWith('kind') ? value : Number(value),
    ]),
  )

async function make(db: Db, world: MadeWorld, schema: string): Promise<void> {
  const lost = losing(world)
  const statements = [`create schema ${schema}`]
  for (const [table, { keys, links, partitioned }] of world.tables.entries()) {
    const own = keys === 2 ? ['k0', 'k1'] : ['k0']
    const columns = own.map((name) => `${name} bigint not null`)
    for (const [n, { declared }] of links.entries()) {
      columns.push(...columnsOf(world, table, n).map((name) => `${name} bigint`))
      if (declared) columns.push(`kind${n} text not null`)
    }
    const name = `${schema}.t${table}`
    const end = partitioned ? 'partition by hash (k0)' : ''
    statements.push(
      `create table ${name} (${columns.join(', ')}, payload text, primary key (${own.join(', ')})) ${end}`,
    )
    if (partitioned)
      for (const part of [0, 1])
        statements.push(
          `create table ${name}_${part} partition of ${name} for values with (modulus 2, remainder ${part})`,
        )
  }
  for (const [table, { links }] of world.tables.entries())
    for (const [n, { target, wish, declared, deferred }] of links.entries()) {
      const own = columnsOf(world, table, n).join(', ')
      statements.push(`create index on ${schema}.t${table} (${own})`)
      if (declared) continue
      const stays = !lost.has(target)
      const rule = wish === 'delete' ? 'on delete cascade' : 'on delete set null'
      const action = stays ? '' : deferred ? 'deferrable' : rule
      statements.push(
        `alter table ${schema}.t${table} add foreign key (${own}) references ${schema}.t${target} ${action}`,
      )
    }
  statements.push('begin')
  // First without a word on others, then with them: any row may point at any other.
  for (const [table, { links }] of world.tables.entries()) {
    const all = (world.rows[table] ?? []).map((_, place) =>
      rowOf(
        world,
        table,
        place,
        links.map((_, n) => n),
        'payload',
      ),
    )
    for (const row of all) statements.push(insert(`${schema}.t${table}`, row))
  }
  for (const [table, { keys, links }] of world.tables.entries())
    for (const place of (world.rows[table] ?? []).keys()) {
      const row = rowOf(world, table, place, [], 'payload')
      const set = links
        .flatMap((_, n) => columnsOf(world, table, n))
        .map((column) => `${column} = ${row[column]}`)
      if (set.length > 0)
        statements.push(
          `update ${schema}.t${table} set ${set.join(', ')} where k0 = ${row.k0}${keys === 2 ? ` and k1 = ${row.k1}` : ''}`,
        )
    }
  statements.push('commit')
  statements.push(
    `create view lethe.people as select k0 as id, payload as address, true as active from ${schema}.t0`,
  )
  await sql.raw(statements.join(';\n')).execute(db)
}

function insert(table: string, row: Record<string, unknown>): string {
  const values = Object.values(row).map((value) =>
    typeof value === 'string' ? `'${value}'` : String(value),
  )
  return `insert into ${table} (${Object.keys(row).join(', ')}) values (${values.join(', ')})`
}

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
