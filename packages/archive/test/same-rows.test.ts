import { text } from 'node:stream/consumers'
import { connect, type Db, openSnapshotPool } from '@lethe/db'
import { testDb } from '@lethe/db/testing'
import { type DataMap, eraseRows, makePlan, type Plan } from '@lethe/erasure'
import {
  columnOf,
  createFences,
  type MadeWorld,
  makeWorld,
  mapOf,
  schemaOf,
  worlds,
} from '@lethe/erasure/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { collectDataset } from '../src/collect/collect-tables.ts'
import { getDatasets } from '../src/collect/datasets.ts'
import { readPeople } from '../src/collect/read-people.ts'
import { createPersonReader, type ReadPerson } from '../src/collect/read-person.ts'
import type { Zip } from '../src/zip/zip.ts'

const numRuns = Number(process.env.PLAN_RUNS ?? 60)
if (process.env.PLAN_RUNS) t.setTimeout(180_000 + numRuns * 2_000)

const neverAborted = new AbortController().signal

t.test(
  'a person’s export, alone or with others, has exactly the rows that their erasure removes or overwrites',
  async (t) => {
    const { url } = await testDb(t)
    const db = connect(url, { max: 1 })
    const readers = openSnapshotPool(url, { max: 1 })
    t.teardown(() => Promise.all([db.destroy(), readers.end()]))
    await sql`drop view lethe.people`.execute(db)
    let number = 0
    const property = fc.asyncProperty(worlds, async (made) => {
      // Only the erasure handles triggers that keep rows.
      const world = { ...made, trigger: null }
      const schema = `s${number++}`
      await makeWorld(db, world, schema)
      try {
        const [place = 0] = world.erased
        const userId = place + 1
        const map = exportingAll(mapOf(world, schema))
        const keyOf = keyReader(world)
        await createFences(db, map)
        const plan = await makePlan(db, map)
        const kinds = getDatasets(plan)
        const exported = await createPersonReader(
          readers,
          plan,
          userId,
          neverAborted,
        )(async ({ next }) => {
          await text(next())
          const all: Record<string, string[]> = {}
          for (const kind of kinds) {
            const files = new Map<string, string>()
            await collectDataset(kind, next(), collectInto(files))
            const rows = JSON.parse(files.get(`data/${kind.name}.json`) ?? '[]')
            all[kind.name] = rows.map(keyOf).sort(compare)
          }
          return all
        })
        const everyId = [userId, ...[1, 2, 3].filter((id) => id !== userId)]
        const together = await readPeople(readers, plan, everyId, neverAborted)
        for (const [place, id] of everyId.entries()) {
          const alone = await readRows(
            createPersonReader(readers, plan, id, neverAborted),
            kinds.length,
          )
          const beside = together[place] && (await readRows(together[place], kinds.length))
          assertEqual(beside ?? [], alone, `of ${id}, together with others`)
        }
        const before = await readAllRows(db, plan)
        await db.transaction().execute((tx) => eraseRows(tx, plan, [userId]))
        const after = await readAllRows(db, plan)
        for (const [table, rows] of Object.entries(before)) {
          const left = new Set(after[table]?.map((row) => JSON.stringify(row)))
          const still = new Set(after[table]?.map(keyOf))
          const naming = plan.parents
            .get(table)
            ?.filter(({ target }) => target === map.person.table)
            .map(({ columns: [column = ''], where }) => ({ column, where: Object.entries(where) }))
          const touched = rows
            .filter((row) => !left.has(JSON.stringify(row)))
            // Skip a row that survives and is only overwritten: it names the person but is not theirs.
            .filter((row) => !naming || !still.has(keyOf(row)))
            // A row that names a person is theirs, even if it is also removed with another person.
            .filter(
              (row) =>
                !naming?.length ||
                table === map.person.table ||
                naming.some(
                  ({ column, where }) =>
                    Number(row[column]) === userId &&
                    where.every(([column, value]) => String(row[column]).trimEnd() === value),
                ),
            )
            .map(keyOf)
          const name = map.tables[table]?.export ?? ''
          assertEqual(exported[name] ?? [], touched.sort(compare), name)
        }
      } finally {
        await sql`set client_min_messages = warning`.execute(db)
        await sql`drop schema ${sql.id(schemaOf(world, schema))} cascade`.execute(db)
      }
    })
    const result = await fc.check(property, { numRuns })
    const why = result.errorInstance instanceof Error ? result.errorInstance.message : ''
    t.notOk(result.failed, `${why} ${fc.defaultReportMessage(result) ?? ''}`)
  },
)

/** Exports every column under its own name. */
function exportingAll(map: DataMap): DataMap {
  const tables = Object.entries(map.tables).map(([table, entry]) => {
    const columns = Object.entries(entry.columns).map(([name, column]) => [
      name,
      { ...column, export: name },
    ])
    return [table, { ...entry, columns: Object.fromEntries(columns) }]
  })
  return { ...map, tables: Object.fromEntries(tables) }
}

/** All rows that were read, dataset by dataset. */
function readRows(readPerson: ReadPerson, kinds: number): Promise<string[]> {
  return readPerson(async ({ next }) => {
    const all: string[] = []
    for (let read = 0; read <= kinds; read++) all.push(await text(next()))
    return all
  })
}

type Row = Record<string, unknown>

async function readAllRows(db: Db, { map, tables }: Plan): Promise<Record<string, Row[]>> {
  const all: Record<string, Row[]> = {}
  for (const table of Object.keys(map.tables)) {
    const { schema = '', relation = '' } = tables.get(table) ?? {}
    all[table] = (await sql<Row>`select * from ${sql.id(schema, relation)}`.execute(db)).rows
  }
  return all
}

const keyReader = (world: MadeWorld) => (row: Row) =>
  `${row[columnOf(world, 'k0')]} ${row[columnOf(world, 'k1')] ?? ''}`
const compare = (one: string, other: string) => one.localeCompare(other)

/** Keeps the content instead of packing it. */
function collectInto(files: Map<string, string>): Zip {
  const none = () => {
    throw new Error('no dataset of this test is that large')
  }
  return {
    async add(name, content) {
      files.set(name, String(content))
      return { name, bytes: 0, sha256: '' }
    },
    open: none,
    openBeside: none,
  }
}

function assertEqual(actual: string[], wanted: string[], what: string): void {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(wanted)]
  if (one !== other) throw new Error(`${what}: ${one} and not ${other}`)
}
