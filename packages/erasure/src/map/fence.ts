import { createHash } from 'node:crypto'
import { type Catalog, isUnique } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import { type Link, linkName, namesPerson } from './reachable-tables.ts'
import type { Fence, Table } from './table.ts'

/**
 * Checks that a trigger (`migrations/0012_fences.sql`) refuses new rows for a person who is being erased or is gone, on each
 * link that could add one. Deeper foreign keys need no trigger: the erasure locks and then deletes the rows they reference.
 */
export function checkFences({ tables }: Catalog, map: DataMap, links: Link[]): MapProblem[] {
  return links.flatMap((link) => {
    const table = tables.get(link.table)
    const target = tables.get(link.target)
    if (!table || !target || !isUnique(target, link.targetColumns)) return []
    const fence = requiredFence(map, link, table, target)
    if (!fence || table.fences.some((one) => isSufficient(one, fence))) return []
    const at = `${link.table} (${linkName(link.columns)})`
    if (computedOf(link, table) === 'virtual')
      return [mapProblem(at, 'no trigger sees a virtual generated column', 'make it `stored`')]
    return [
      mapProblem(
        at,
        'no trigger refuses a late row for a person who is being erased',
        createFenceSql(table, link, fence),
      ),
    ]
  })
}

/** Undefined if the referenced rows are never erased, or if a foreign key to a table other than the person's guards the link. */
function requiredFence(map: DataMap, link: Link, table: Table, target: Table): Fence | undefined {
  const { columns, targetColumns, rule, where, foreignKey } = link
  if (rule === 'keep') return undefined
  const isPerson = namesPerson(map, link)
  if (foreignKey && !isPerson) return undefined
  const named = isPerson
    ? ['lethe', 'people', 'id']
    : [target.schema, target.relation, ...targetColumns]
  const filter = Object.entries(where).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return {
    timing: computedOf(link, table) ? 'after' : 'before',
    args: [...columns, ...named, ...filter.flat()],
  }
}

function computedOf({ columns, where }: Link, table: Table): 'stored' | 'virtual' | undefined {
  const found = [...columns, ...Object.keys(where)].map((one) => table.columns.get(one)?.computed)
  return (['virtual', 'stored'] as const).find((one) => found.includes(one))
}

/** A trigger that runs after the write sees what was written, so it is as good as one that runs before. */
function isSufficient(fence: Fence, wanted: Fence): boolean {
  return (
    (fence.timing === wanted.timing || fence.timing === 'after') &&
    fence.args.length === wanted.args.length &&
    fence.args.every((arg, index) => arg === wanted.args[index])
  )
}

/** `create or replace`, because it can replace an older form of the fence with the same name. */
function createFenceSql(table: Table, { columns }: Link, { timing, args }: Fence): string {
  return `create or replace trigger ${fenceName(columns)} ${timing} insert or update on ${table.quoted} for each row execute function lethe.refuse_late_row(${args.map(literal).join(', ')})`
}

/** A name over 63 bytes is hashed: PostgreSQL would truncate it, and two fences of a table could get the same name. */
function fenceName(columns: string[]): string {
  const name = `erasure_fence_${columns.join('_')}`
  if (Buffer.byteLength(name) > 63)
    return `erasure_fence_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
  return /^[a-z0-9_]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  const quoted = `'${text.replaceAll(/[\\']/g, '$&$&')}'`
  return text.includes('\\') ? `e${quoted}` : quoted
}
