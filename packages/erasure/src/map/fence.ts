import { createHash } from 'node:crypto'
import { type Catalog, type Fence, isUnique, type Table } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import { type Link, linkName, namesPerson } from './reachable-tables.ts'

/**
 * Each link on which a row could still come to a person who is being erased, or to one who is gone, has a trigger that
 * refuses it (`migrations/0012_fences.sql`). Deeper foreign keys need none: what they point at is locked, and then gone.
 */
export function checkFences({ tables }: Catalog, map: DataMap, links: Link[]): MapProblem[] {
  return links.flatMap((link) => {
    const table = tables.get(link.table)
    const target = tables.get(link.target)
    if (!table || !target || !isUnique(target, link.targetColumns)) return []
    const fence = wantedFence(map, link, table, target)
    if (!fence || table.fences.some((one) => isAsGood(one, fence))) return []
    const at = `${link.table} (${linkName(link.columns)})`
    if (computedOf(link, table) === 'virtual')
      return [
        mapProblem(
          at,
          'no trigger sees a column that is computed when it is read',
          'make it `stored`',
        ),
      ]
    return [
      mapProblem(
        at,
        'nothing keeps a late row from coming to a person who is being erased',
        fenceLine(table, link, fence),
      ),
    ]
  })
}

/** None where the link leads to nothing that is erased, or where a foreign key guards it as well. */
function wantedFence(map: DataMap, link: Link, table: Table, target: Table): Fence | undefined {
  const { columns, targetColumns, rule, where, foreignKey } = link
  if (rule === 'stays') return undefined
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

/** What is looked at after the row is written is what was written, so that is as good as before. */
function isAsGood(fence: Fence, wanted: Fence): boolean {
  return (
    (fence.timing === wanted.timing || fence.timing === 'after') &&
    fence.args.length === wanted.args.length &&
    fence.args.every((arg, place) => arg === wanted.args[place])
  )
}

/** It takes the place of a fence of an older form, which had the same name. */
function fenceLine(table: Table, { columns }: Link, { timing, args }: Fence): string {
  return `create or replace trigger ${fenceName(columns)} ${timing} insert or update on ${table.quoted} for each row execute function lethe.refuse_late_row(${args.map(literal).join(', ')})`
}

/** PostgreSQL cuts a name off after 63 bytes, and two fences of a table may not have one name. */
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
