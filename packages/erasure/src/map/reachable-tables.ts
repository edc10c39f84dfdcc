import type { Catalog, ForeignKey, Table } from './catalog.ts'
import type { DataMap, LinkEntry, LinkRule } from './data-map.ts'

/** A way from one table to another, as the map and the catalog together tell it. */
export interface Link {
  table: string
  columns: string[]
  target: string
  targetColumns: string[]
  rule: LinkRule
  where: Readonly<Record<string, string>>
  foreignKey: ForeignKey | undefined
}

/** The columns of a link as the map names them; one that holds a comma or a quote is quoted, so that it is read as one. */
export const linkName = (columns: readonly string[]): string =>
  columns
    .map((column) => (/[,"]/.test(column) ? `"${column.replaceAll('"', '""')}"` : column))
    .join(', ')

/** The one column that a link of the map is named after. */
export function linkColumn(table: Table | undefined, name: string): string | undefined {
  return [...(table?.columns.keys() ?? [])].find((column) => linkName([column]) === name)
}

/** The tables from which foreign keys, or links that the map declares, lead to a person, at any depth; the person's too. */
export function reachingTables({ foreignKeys }: Catalog, map: DataMap): Set<string> {
  const declared = Object.entries(map.tables).flatMap(([table, { links }]) =>
    Object.values(links).flatMap((link) => (isDeclared(link) ? [{ table, target: link.to }] : [])),
  )
  return leadingTo(map.person.table, [...foreignKeys, ...declared])
}

/** The table itself, and whatever leads to it by these ways, at any depth. */
function leadingTo(table: string, ways: readonly { table: string; target: string }[]): Set<string> {
  const found = new Set([table])
  for (const target of found)
    for (const way of ways) if (way.target === target) found.add(way.table)
  return found
}

/** The links of the map that can be understood; what cannot is a fault of its own. */
export function linksOf({ foreignKeys, tables }: Catalog, map: DataMap): Link[] {
  return Object.entries(map.tables).flatMap(([table, { links }]) =>
    Object.entries(links).flatMap(([name, entry]): Link[] => {
      if (typeof entry === 'object' && 'otherwise' in entry) return []
      if (typeof entry === 'object') {
        const { to, by, rule, where = {} } = entry
        const column = linkColumn(tables.get(table), name)
        if (column === undefined || !tables.get(to)?.columns.has(by)) return []
        const link = { table, columns: [column], target: to, targetColumns: [by], rule, where }
        return [{ ...link, foreignKey: undefined }]
      }
      return foreignKeys
        .filter((key) => key.table === table && linkName(key.columns) === name)
        .map((key) => {
          const { columns, target, targetColumns } = key
          return { table, columns, target, targetColumns, rule: entry, where: {}, foreignKey: key }
        })
    }),
  )
}

/** A row of the link's table names the person by their key: nothing lies in between. */
export function namesPerson({ person }: DataMap, { target, targetColumns }: Link): boolean {
  const [key, ...more] = targetColumns
  return target === person.table && key === person.key && more.length === 0
}

export function isDeclared(link: LinkEntry): link is Extract<LinkEntry, { to: string }> {
  return typeof link === 'object' && 'to' in link
}

/** The tables of which rows are erased: the person's, and those whose rows go with the row that they point at. */
export function erasedTables(links: readonly Link[], map: DataMap): Set<string> {
  return leadingTo(
    map.person.table,
    links.filter(({ rule }) => rule === 'delete'),
  )
}
