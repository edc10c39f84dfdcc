import type { Db, Tx } from '@lethe/db'
import { type Catalog, readCatalog, type Table } from '../map/catalog.ts'
import { checkMap } from '../map/check-map.ts'
import type { DataMap } from '../map/data-map.ts'
import { formatMapProblem, type MapProblem } from '../map/map-problem.ts'
import { ownMembers } from '../map/own-members.ts'
import { erasedTables, type Link, linkName, linksOf } from '../map/reachable-tables.ts'
import { schemaFingerprint } from './schema-fingerprint.ts'

/** What is done to erase people, in this order; made from the live catalog and the map together. */
export interface Plan {
  map: DataMap
  steps: Step[]
  /** The erased tables, each with the links by which its rows hang on others that are erased. */
  parents: Map<string, Link[]>
  /** Those of them that hang on each other. */
  cycles: string[][]
  tables: Map<string, Table>
  /** Some constraint is to be looked at only when all is done. */
  deferred: boolean
}

export type Step = Erase | Clear

/** Rows of these tables go: of one, or of several that hang on each other in a cycle. */
export interface Erase {
  rule: 'delete'
  tables: string[]
}

/** Rows that point at an erased one stay, and these columns of theirs are overwritten. */
export interface Clear {
  rule: 'clear'
  link: Link
  set: [column: string, value: null | string | number | boolean][]
}

/** No plan can be made; one line for each reason, with the remedy. */
export class IncompleteDataMapError extends Error {
  override name = 'IncompleteDataMapError'
  readonly faults: readonly MapProblem[]

  constructor(faults: readonly MapProblem[]) {
    super(faults.map(formatMapProblem).join('\n'))
    this.faults = faults
  }
}

const latest = new WeakMap<DataMap, { print: string; plan: Plan }>()

/**
 * Asked for before each batch, so that a schema that has changed is noticed before anything is erased by it; made anew only
 * then. Throws `IncompleteDataMapError`.
 */
export async function makePlan(db: Db | Tx, declared: DataMap): Promise<Plan> {
  const print = await schemaFingerprint(db)
  const known = latest.get(declared)
  if (known?.print === print) return known.plan
  const catalog = await readCatalog(db)
  const map = ownMembers(declared)
  const faults = checkMap(catalog, map)
  if (faults.length > 0) throw new IncompleteDataMapError(faults)
  const plan = planFor(catalog, map)
  latest.set(declared, { print, plan })
  return plan
}

function planFor(catalog: Catalog, map: DataMap): Plan {
  const links = linksOf(catalog, map)
  const erased = [...erasedTables(links, map)]
  const parents = new Map(
    erased.map((table) => [
      table,
      links.filter((link) => link.table === table && link.rule === 'delete'),
    ]),
  )
  const clears = links
    .filter(({ rule }) => rule === 'clear')
    .map((link): Clear => ({ rule: 'clear', link, set: setWith(link, links, map) }))
  const deferred = links.some(
    ({ rule, foreignKey }) => rule !== 'stays' && foreignKey?.onDelete === 'no action',
  )
  const cycles = findCycles(parents)
  const steps = orderSteps(map, parents, cycles, clears)
  return { map, steps, parents, cycles, tables: catalog.tables, deferred }
}

/** The columns of the link itself, and those that tell of whoever it names; not those of another link. */
function setWith({ table, columns }: Link, links: Link[], map: DataMap): Clear['set'] {
  const { links: named = {}, columns: entries = {} } = map.tables[table] ?? {}
  const others = links.flatMap((link) => (link.table === table ? link.columns : []))
  return Object.entries(entries).flatMap(([column, { erase }]): Clear['set'] => {
    if (!erase || 'keep' in erase) return []
    const isOwn = columns.includes(column)
    const comesAlong =
      !others.includes(column) &&
      !named[linkName([column])] &&
      (erase.with ?? linkName(columns)) === linkName(columns)
    return isOwn || comesAlong ? [[column, erase.to]] : []
  })
}

/**
 * What holds the keys comes first; then whatever hangs on a row goes before it, and a reference that is only cleared is
 * cleared before the row that it names is gone. The person is last.
 */
function orderSteps(
  map: DataMap,
  parents: Map<string, Link[]>,
  cycles: string[][],
  clears: Clear[],
): Step[] {
  const cycleOf = (table: string) => cycles.find((cycle) => cycle.includes(table)) ?? [table]
  const steps: Step[] = []
  const done = new Set<string>()
  const visit = (cycle: string[]) => {
    if (cycle.some((table) => done.has(table))) return
    for (const table of cycle) done.add(table)
    for (const [child, links] of parents)
      if (links.some(({ target }) => cycle.includes(target))) visit(cycleOf(child))
    steps.push(...clears.filter(({ link }) => cycle.includes(link.target)))
    steps.push({ rule: 'delete', tables: cycle })
  }
  for (const table of parents.keys()) if (map.tables[table]?.first) visit([table])
  visit(cycleOf(map.person.table))
  return steps
}

/** Tables that hang on each other, directly or by others; a table that hangs on itself is a cycle of one. */
function findCycles(parents: Map<string, Link[]>): string[][] {
  const above = (table: string) => {
    const found = new Set<string>()
    const look = (from: string) => {
      for (const { target } of parents.get(from) ?? [])
        if (!found.has(target)) {
          found.add(target)
          look(target)
        }
    }
    look(table)
    return found
  }
  const reach = new Map([...parents.keys()].map((table) => [table, above(table)]))
  const cycles: string[][] = []
  for (const table of parents.keys()) {
    if (cycles.some((cycle) => cycle.includes(table)) || !reach.get(table)?.has(table)) continue
    cycles.push(
      [...parents.keys()].filter(
        (other) => reach.get(table)?.has(other) && reach.get(other)?.has(table),
      ),
    )
  }
  return cycles
}

/** All links by which an erasure finds its way: to rows that go, and to rows that are overwritten. */
export function parentLinks({ parents, steps }: Plan): Link[] {
  return [
    ...[...parents.values()].flat(),
    ...steps.flatMap((step) => (step.rule === 'clear' ? [step.link] : [])),
  ]
}
