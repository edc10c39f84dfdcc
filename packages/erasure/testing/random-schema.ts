import fc from 'fast-check'
import type { ColumnEntry, DataMap, LinkEntry } from '../src/map/data-map.ts'
import { linkName } from '../src/map/reachable-tables.ts'
import { columnOf, oddWords, tableOf } from './odd-names.ts'

/** A made-up table: its key is of one column or of two, and its rows point at rows of other tables. */
export interface MadeTable {
  keys: 1 | 2
  links: MadeLink[]
  /** With which of its links the payload is overwritten where rows are cleared; with any, or never. */
  payload: number | 'any' | 'keep'
  payloadType: 'text' | 'varchar(8)' | 'char(8)' | 'mood'
  partitioned: boolean
  /** The key is no primary one. */
  uniqueOnly: boolean
}

export interface MadeLink {
  target: number
  wish: 'delete' | 'clear'
  /** By a column that says so, and not by a foreign key. */
  declared: boolean
  /** Of that column. */
  kindType: 'text' | 'char(5)' | 'word'
  /** The constraint waits until the end of the transaction. */
  deferred: boolean
}

/** A row: for each link of its table the place of the row that it points at, in the other table; or nothing. */
export type MadeRow = (number | null)[]

export interface MadeWorld {
  /** The first is the people's. */
  tables: MadeTable[]
  rows: MadeRow[][]
  /** Places of the people who are erased together. */
  erased: number[]
  /** Before that, each of them in portions of so many rows. */
  portion: number | null
  /** What tables and columns are called, in this order; left out, they have plain names. */
  words: string[] | null
  /** A trigger before each row that is deleted or updated. */
  trigger: { table: number; does: 'keep' | 'copy' } | null
}

const link = (tables: number) =>
  fc.record<MadeLink>({
    // Towards the people more often than not, else most rows would be nobody's.
    target: fc.oneof(fc.constant(0), fc.nat(tables - 1)),
    wish: fc.constantFrom('delete', 'delete', 'clear'),
    declared: fc.boolean(),
    kindType: fc.constantFrom('text', 'char(5)', 'word'),
    deferred: fc.boolean(),
  })

const table = (tables: number) =>
  fc.record<MadeTable>({
    keys: fc.constantFrom(1, 2),
    links: fc.array(link(tables), { minLength: 1, maxLength: 3 }),
    payload: fc.oneof(fc.constant('any' as const), fc.constant('keep' as const), fc.nat(2)),
    payloadType: fc.constantFrom('text', 'varchar(8)', 'char(8)', 'mood'),
    partitioned: fc.boolean(),
    uniqueOnly: fc.boolean(),
  })

const MOST_ROWS = 6

export const worlds: fc.Arbitrary<MadeWorld> = fc
  .integer({ min: 1, max: 6 })
  .chain((others) => {
    const people = table(others + 1).map(({ links, ...rest }): MadeTable => {
      // Nobody is erased with somebody else's row.
      const cleared = links.map((one) => ({ ...one, wish: 'clear' as const }))
      return { ...rest, links: cleared.slice(1), keys: 1, partitioned: false }
    })
    const rest = fc.array(table(others + 1), { minLength: others, maxLength: others })
    return fc.tuple(people, rest).map(([first, rest]) => [first, ...rest])
  })
  .chain((tables) => {
    const rows = tables.map((one, place) =>
      fc.array(fc.tuple(...one.links.map(() => fc.option(fc.nat(MOST_ROWS - 1), { freq: 4 }))), {
        minLength: place === 0 ? 3 : 0,
        maxLength: MOST_ROWS,
      }),
    )
    return fc.record({
      tables: fc.constant(tables),
      rows: fc.tuple(...rows),
      erased: fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 2 }),
      portion: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 1 }),
      words: fc.option(
        fc.shuffledSubarray([...oddWords], { minLength: 10, maxLength: oddWords.length }),
      ),
      trigger: fc.option(
        fc.record({
          table: fc.nat(tables.length - 1),
          does: fc.constantFrom('keep' as const, 'copy' as const),
        }),
        { freq: 1 },
      ),
    })
  })
  .map(tidied)

/** Nothing points at rows that do not exist, and a target of two columns, or in partitions, is one of a foreign key. */
function tidied({ tables, rows, ...rest }: MadeWorld): MadeWorld {
  const links = (one: MadeTable) =>
    one.links.map((each) => {
      const { keys, partitioned } = tables[each.target] as MadeTable
      return { ...each, declared: each.declared && keys === 1 && !partitioned }
    })
  return {
    tables: tables.map((one) => ({ ...one, links: links(one) })),
    rows: rows.map((all, table) =>
      all.map((row) =>
        row.map((to, place) => {
          const target = tables[table]?.links[place]?.target ?? 0
          return to !== null && to < (rows[target]?.length ?? 0) ? to : null
        }),
      ),
    ),
    ...rest,
  }
}

/** Which tables lose rows; links to the others stay as they are. */
export function losing({ tables }: MadeWorld): Set<number> {
  const found = new Set([0])
  for (const target of found)
    for (const [table, { links }] of tables.entries())
      if (links.some((each) => each.target === target && each.wish === 'delete')) found.add(table)
  return found
}

/** Which tables lead to a person, at any depth: the others are nobody's, and not in the map. */
function reachingOf({ tables }: MadeWorld): Set<number> {
  const found = new Set([0])
  for (const target of found)
    for (const [table, { links }] of tables.entries())
      if (links.some((each) => each.target === target)) found.add(table)
  return found
}

/** What the link columns of a table are called, one for each column of the key that is pointed at. */
export function columnsOf({ tables }: MadeWorld, table: number, place: number): string[] {
  const link = tables[table]?.links[place] as MadeLink
  const keys = tables[link.target]?.keys ?? 1
  return Array.from({ length: keys }, (_, n) => `l${place}_to${link.target}_${n}`)
}

const nothing = { not: 'a test' }

/** The map that somebody would write for it. */
export function mapOf(world: MadeWorld, schema: string): DataMap {
  const lost = losing(world)
  const reaching = reachingOf(world)
  const entries = [...world.tables.entries()].flatMap(([number, table]) => {
    if (!reaching.has(number)) return []
    const columns: Record<string, ColumnEntry> = {}
    const links: Record<string, LinkEntry> = {}
    const kept = { keep: 'a test', until: 'its end' }
    for (let n = 0; n < table.keys; n++)
      columns[columnOf(world, `k${n}`)] = { is: 'a key', export: nothing, erase: kept }
    const clears = (each: MadeLink) => each.wish === 'clear' && lost.has(each.target)
    for (const [place, each] of table.links.entries()) {
      const rule = lost.has(each.target) ? each.wish : 'stays'
      const leads = reaching.has(each.target)
      const own = columnsOf(world, number, place).map((name) => columnOf(world, name))
      const name = linkName(own)
      const kind = columnOf(world, `kind${place}`)
      if (leads && !each.declared) links[name] = rule
      if (leads && each.declared)
        links[name] = {
          ...{ rule, to: tableOf(world, schema, each.target), by: columnOf(world, 'k0') },
          where: { [kind]: 'yes' },
        }
      const erase = clears(each) ? { to: null } : kept
      for (const column of own) columns[column] = { is: 'a link', export: nothing, erase }
      if (each.declared) columns[kind] = { is: 'a kind', export: nothing, erase: kept }
    }
    const cleared = table.links.flatMap((each, place) => (clears(each) ? [place] : []))
    columns[columnOf(world, 'payload')] = {
      is: 'a word',
      export: 'payload',
      erase: payloadErase(world, number, cleared),
    }
    const triggers = world.trigger?.table === number ? { meddles: 'a test' } : {}
    const entry = { is: 'a table', export: `t${number}`, links, columns, triggers }
    return [[tableOf(world, schema, number), entry] as const]
  })
  return {
    person: { table: tableOf(world, schema, 0), key: columnOf(world, 'k0') },
    tables: Object.fromEntries(entries),
  }
}

/** The link with which the payload goes; undefined for any, null where it is kept. */
export function payloadLink(
  { tables }: MadeWorld,
  table: number,
  cleared: number[],
): number | undefined | null {
  const { payload } = tables[table] as MadeTable
  if (payload === 'keep') return null
  return payload !== 'any' && cleared.includes(payload) ? payload : undefined
}

function payloadErase(
  world: MadeWorld,
  table: number,
  cleared: number[],
): NonNullable<ColumnEntry['erase']> {
  const link = payloadLink(world, table, cleared)
  if (link === null) return { keep: 'a test', until: 'its end' }
  return {
    to: 'gone',
    ...(link !== undefined && {
      with: linkName(columnsOf(world, table, link).map((name) => columnOf(world, name))),
    }),
  }
}
