import type { Db, Tx } from '@lethe/db'
import { type Catalog, readCatalog } from '../map/catalog.ts'
import { checkMap } from '../map/check-map.ts'
import type { DataMap } from '../map/data-map.ts'
import { formatMapProblem, type MapProblem } from '../map/map-problem.ts'
import { ownMembers } from '../map/own-members.ts'
import { erasedTables, type Link, linkName, linksOf } from '../map/reachable-tables.ts'
import type { Table } from '../map/table.ts'
import { schemaFingerprint } from './schema-fingerprint.ts'

/** The ordered steps that erase people, made from the live catalog and the data map. */
export interface Plan {
  map: DataMap
  steps: Step[]
  /** The erased tables, each with the links to the erased rows that its rows are erased with. */
  parents: Map<string, Link[]>
  /** Groups of erased tables that reference each other. */
  cycles: string[][]
  tables: Map<string, Table>
  /** Some constraints must be deferred until all steps have run. */
  deferred: boolean
}

export type Step = Erase | Anonymize

/** Erases rows of one table, or of several tables in a cycle. */
export interface Erase {
  rule: 'delete'
  tables: string[]
}

/** Overwrites these columns in rows that reference an erased row. The rows stay. */
export interface Anonymize {
  rule: 'anonymize'
  link: Link
  set: [column: string, value: null | string | number | boolean][]
}

/** No plan can be made. The message has one line for each problem, with its remedy. */
export class IncompleteDataMapError extends Error {
  override name = 'IncompleteDataMapError'
  readonly problems: readonly MapProblem[]

  constructor(faults: readonly MapProblem[]) {
    super(faults.map(formatMapProblem).join('\n'))
    this.problems = faults
  }
}

const latestPlans = new WeakMap<DataMap, { print: string; plan: Plan }>()

/**
 * Returns the latest plan, or makes a new one if the schema has changed. Called before each batch, so that no erasure uses a
 * plan for an older schema. Throws `IncompleteDataMapError`.
 */
export async function makePlan(db: Db | Tx, declared: DataMap): Promise<Plan> {
  const print = await schemaFingerprint(db)
  const known = latestPlans.get(declared)
  if (known?.print === print) return known.plan
  const catalog = await readCatalog(db)
  const map = ownMembers(declared)
  const faults = checkMap(catalog, map)
  if (faults.length > 0) throw new IncompleteDataMapError(faults)
  const plan = planFor(catalog, map)
  latestPlans.set(declared, { print, plan })
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
    .filter(({ rule }) => rule === 'anonymize')
    .map((link): Anonymize => ({ rule: 'anonymize', link, set: columnsToSet(link, links, map) }))
  const deferred = links.some(
    ({ rule, foreignKey }) => rule !== 'keep' && foreignKey?.onDelete === 'no action',
  )
  const cycles = findCycles(parents)
  const steps = orderSteps(map, parents, cycles, clears)
  return { map, steps, parents, cycles, tables: catalog.tables, deferred }
}

/** The columns of the link itself, and the columns about the person it references; not the columns of other links. */
function columnsToSet({ table, columns }: Link, links: Link[], map: DataMap): Anonymize['set'] {
  const { references: named = {}, columns: entries = {} } = map.tables[table] ?? {}
  const others = links.flatMap((link) => (link.table === table ? link.columns : []))
  return Object.entries(entries).flatMap(([column, { on_erase: onErase }]): Anonymize['set'] => {
    if (!onErase) return []
    const isOwn = columns.includes(column)
    const comesAlong =
      !others.includes(column) &&
      !named[linkName([column])] &&
      (onErase.with ?? linkName(columns)) === linkName(columns)
    return isOwn || comesAlong ? [[column, onErase.set]] : []
  })
}

/**
 * Tables marked `first` come first. Then children are erased before their parents, and a reference is cleared before the
 * row that it names is erased. The person is last.
 */
function orderSteps(
  map: DataMap,
  parents: Map<string, Link[]>,
  cycles: string[][],
  clears: Anonymize[],
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

/** Tables that reference each other, directly or through others. A table that references itself is a cycle of one. */
function findCycles(parents: Map<string, Link[]>): string[][] {
  const ancestorsOf = (table: string) => {
    const found = new Set<string>()
    const visit = (from: string) => {
      for (const { target } of parents.get(from) ?? [])
        if (!found.has(target)) {
          found.add(target)
          visit(target)
        }
    }
    visit(table)
    return found
  }
  const ancestors = new Map([...parents.keys()].map((table) => [table, ancestorsOf(table)]))
  const cycles: string[][] = []
  for (const table of parents.keys()) {
    if (cycles.some((cycle) => cycle.includes(table)) || !ancestors.get(table)?.has(table)) continue
    cycles.push(
      [...parents.keys()].filter(
        (other) => ancestors.get(table)?.has(other) && ancestors.get(other)?.has(table),
      ),
    )
  }
  return cycles
}

/** All links that an erasure follows: to rows that are erased, and to rows that are overwritten. */
export function parentLinks({ parents, steps }: Plan): Link[] {
  return [
    ...[...parents.values()].flat(),
    ...steps.flatMap((step) => (step.rule === 'anonymize' ? [step.link] : [])),
  ]
}
