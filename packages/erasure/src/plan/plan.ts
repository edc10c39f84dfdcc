import type { Db, Tx } from '@lethe/db'
import { type Catalogue, readCatalogue, type Table } from '../map/catalog.ts'
import { checkMap } from '../map/check-map.ts'
import type { DataMap } from '../map/data-map.ts'
import { type Fault, faultLine } from '../map/map-problem.ts'
import { ownMembers } from '../map/own-members.ts'
import { erasedTables, type Link, linkName, linksOf } from '../map/reachable-tables.ts'
import { schemaPrint } from './schema-fingerprint.ts'

/** What is done to erase people, in this order; made from the live catalogue and the map together. */
export interface Plan {
  map: DataMap
  steps: Step[]
  /** The erased tables, each with the links by which its rows hang on others that are erased. */
  hangs: Map<string, Link[]>
  /** Those of them that hang on each other. */
  circles: string[][]
  tables: Map<string, Table>
  /** Some constraint is to be looked at only when all is done. */
  deferred: boolean
}

export type Step = Erase | Clear

/** Rows of these tables go: of one, or of several that hang on each other in a circle. */
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
export class NoPlan extends Error {
  override name = 'NoPlan'
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(faultLine).join('\n'))
    this.faults = faults
  }
}

const latest = new WeakMap<DataMap, { print: string; plan: Plan }>()

/**
 * Asked for before each batch, so that a schema that has changed is noticed before anything is erased by it; made anew only
 * then. Throws `NoPlan`.
 */
export async function makePlan(db: Db | Tx, declared: DataMap): Promise<Plan> {
  const print = await schemaPrint(db)
  const known = latest.get(declared)
  if (known?.print === print) return known.plan
  const catalogue = await readCatalogue(db)
  const map = ownMembers(declared)
  const faults = checkMap(catalogue, map)
  if (faults.length > 0) throw new NoPlan(faults)
  const plan = planFor(catalogue, map)
  latest.set(declared, { print, plan })
  return plan
}

function planFor(catalogue: Catalogue, map: DataMap): Plan {
  const links = linksOf(catalogue, map)
  const erased = [...erasedTables(links, map)]
  const hangs = new Map(
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
  const circles = circlesOf(hangs)
  const steps = inOrder(map, hangs, circles, clears)
  return { map, steps, hangs, circles, tables: catalogue.tables, deferred }
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
function inOrder(
  map: DataMap,
  hangs: Map<string, Link[]>,
  circles: string[][],
  clears: Clear[],
): Step[] {
  const circleOf = (table: string) => circles.find((circle) => circle.includes(table)) ?? [table]
  const steps: Step[] = []
  const done = new Set<string>()
  const visit = (circle: string[]) => {
    if (circle.some((table) => done.has(table))) return
    for (const table of circle) done.add(table)
    for (const [child, links] of hangs)
      if (links.some(({ target }) => circle.includes(target))) visit(circleOf(child))
    steps.push(...clears.filter(({ link }) => circle.includes(link.target)))
    steps.push({ rule: 'delete', tables: circle })
  }
  for (const table of hangs.keys()) if (map.tables[table]?.first) visit([table])
  visit(circleOf(map.person.table))
  return steps
}

/** Tables that hang on each other, directly or by others; a table that hangs on itself is a circle of one. */
function circlesOf(hangs: Map<string, Link[]>): string[][] {
  const above = (table: string) => {
    const found = new Set<string>()
    const look = (from: string) => {
      for (const { target } of hangs.get(from) ?? [])
        if (!found.has(target)) {
          found.add(target)
          look(target)
        }
    }
    look(table)
    return found
  }
  const reach = new Map([...hangs.keys()].map((table) => [table, above(table)]))
  const circles: string[][] = []
  for (const table of hangs.keys()) {
    if (circles.some((circle) => circle.includes(table)) || !reach.get(table)?.has(table)) continue
    circles.push(
      [...hangs.keys()].filter(
        (other) => reach.get(table)?.has(other) && reach.get(other)?.has(table),
      ),
    )
  }
  return circles
}

/** All links by which an erasure finds its way: to rows that go, and to rows that are overwritten. */
export function waysOf({ hangs, steps }: Plan): Link[] {
  return [
    ...[...hangs.values()].flat(),
    ...steps.flatMap((step) => (step.rule === 'clear' ? [step.link] : [])),
  ]
}
