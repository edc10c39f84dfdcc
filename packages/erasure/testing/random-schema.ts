import fc from 'fast-check'
import type { ColumnEntry, DataMap, LinkEntry } from '../src/map/data-map.ts'
import { linkName } from '../src/map/reachable-tables.ts'
import type { MadeLink, MadeTable, MadeWorld } from './made-world.ts'
import { columnOf, ODD_NAMES, tableOf } from './odd-names.ts'

const link = (tables: number) =>
  fc.record<MadeLink>({
    // Mostly towards the people, otherwise most rows would belong to no person.
    target: fc.oneof(fc.constant(0), fc.nat(tables - 1)),
    rule: fc.constantFrom('delete', 'delete', 'anonymize'),
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

const MAX_ROWS = 6

export const worlds: fc.Arbitrary<MadeWorld> = fc
  .integer({ min: 1, max: 6 })
  .chain((others) => {
    const people = table(others + 1).map(({ links, ...rest }): MadeTable => {
      // A person is never erased with another row.
      const cleared = links.map((one) => ({ ...one, rule: 'anonymize' as const }))
      return { ...rest, links: cleared.slice(1), keys: 1, partitioned: false }
    })
    const rest = fc.array(table(others + 1), { minLength: others, maxLength: others })
    return fc.tuple(people, rest).map(([first, rest]) => [first, ...rest])
  })
  .chain((tables) => {
    const rows = tables.map((one, place) =>
      fc.array(fc.tuple(...one.links.map(() => fc.option(fc.nat(MAX_ROWS - 1), { freq: 4 }))), {
        minLength: place === 0 ? 3 : 0,
        maxLength: MAX_ROWS,
      }),
    )
    return fc.record({
      tables: fc.constant(tables),
      rows: fc.tuple(...rows),
      erased: fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 2 }),
      chunkSize: fc.option(fc.integer({ min: 1, max: 3 }), { freq: 1 }),
      words: fc.option(
        fc.shuffledSubarray([...ODD_NAMES], { minLength: 10, maxLength: ODD_NAMES.length }),
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
  .map(dropImpossibleLinks)

/** Clears references to rows that do not exist. A target with two key columns or partitions needs a foreign key. */
function dropImpossibleLinks({ tables, rows, ...rest }: MadeWorld): MadeWorld {
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

/** The tables that lose rows. Links to other tables stay unchanged. */
export function tablesLosingRows({ tables }: MadeWorld): Set<number> {
  const found = new Set([0])
  for (const target of found)
    for (const [table, { links }] of tables.entries())
      if (links.some((each) => each.target === target && each.rule === 'delete')) found.add(table)
  return found
}

/** The tables that lead to a person, at any depth. The others are not in the map. */
function reachingTables({ tables }: MadeWorld): Set<number> {
  const found = new Set([0])
  for (const target of found)
    for (const [table, { links }] of tables.entries())
      if (links.some((each) => each.target === target)) found.add(table)
  return found
}

/** The column names of a link, one for each column of the referenced key. */
export function columnsOf({ tables }: MadeWorld, table: number, place: number): string[] {
  const link = tables[table]?.links[place] as MadeLink
  const keys = tables[link.target]?.keys ?? 1
  return Array.from({ length: keys }, (_, n) => `l${place}_to${link.target}_${n}`)
}

const notExported = { export: false, reason: 'a test' } as const

/** The data map for this world. */
export function mapOf(world: MadeWorld, schema: string): DataMap {
  const lost = tablesLosingRows(world)
  const reaching = reachingTables(world)
  const entries = [...world.tables.entries()].flatMap(([number, table]) => {
    if (!reaching.has(number)) return []
    const columns: Record<string, ColumnEntry> = {}
    const references: Record<string, LinkEntry> = {}
    const kept = { reason: 'a test', until: 'its end' }
    for (let n = 0; n < table.keys; n++)
      columns[columnOf(world, `k${n}`)] = { description: 'a key', ...notExported, retain: kept }
    const clears = (each: MadeLink) => each.rule === 'anonymize' && lost.has(each.target)
    for (const [place, each] of table.links.entries()) {
      const rule = lost.has(each.target) ? each.rule : 'keep'
      const leads = reaching.has(each.target)
      const own = columnsOf(world, number, place).map((name) => columnOf(world, name))
      const name = linkName(own)
      const kind = columnOf(world, `kind${place}`)
      if (leads && !each.declared) references[name] = rule
      if (leads && each.declared)
        references[name] = {
          rule,
          to: tableOf(world, schema, each.target),
          by: columnOf(world, 'k0'),
          where: { [kind]: 'yes' },
        }
      const fate = clears(each) ? { on_erase: { set: null } } : { retain: kept }
      for (const column of own) columns[column] = { description: 'a link', ...notExported, ...fate }
      if (each.declared) columns[kind] = { description: 'a kind', ...notExported, retain: kept }
    }
    const cleared = table.links.flatMap((each, place) => (clears(each) ? [place] : []))
    columns[columnOf(world, 'payload')] = {
      description: 'a word',
      export: 'payload',
      ...payloadFate(world, number, cleared),
    }
    const triggers = world.trigger?.table === number ? { meddles: 'a test' } : {}
    const entry = { description: 'a table', export: `t${number}`, references, columns, triggers }
    return [[tableOf(world, schema, number), entry] as const]
  })
  return {
    person: { table: tableOf(world, schema, 0), key: columnOf(world, 'k0') },
    tables: Object.fromEntries(entries),
  }
}

/** The link with which the payload is overwritten; undefined for any link, null if it is kept. */
export function payloadLink(
  { tables }: MadeWorld,
  table: number,
  cleared: number[],
): number | undefined | null {
  const { payload } = tables[table] as MadeTable
  if (payload === 'keep') return null
  return payload !== 'any' && cleared.includes(payload) ? payload : undefined
}

function payloadFate(
  world: MadeWorld,
  table: number,
  cleared: number[],
): Pick<ColumnEntry, 'on_erase' | 'retain'> {
  const link = payloadLink(world, table, cleared)
  if (link === null) return { retain: { reason: 'a test', until: 'its end' } }
  return {
    on_erase: {
      set: 'gone',
      ...(link !== undefined && {
        with: linkName(columnsOf(world, table, link).map((name) => columnOf(world, name))),
      }),
    },
  }
}
