import type { Catalog, ForeignKey } from './catalog.ts'
import type { DataMap, LinkEntry, LinkRule } from './data-map.ts'
import type { Table } from './table.ts'

/** A reference from one table to another, from the map and the catalog. */
export interface Link {
  table: string
  columns: string[]
  target: string
  targetColumns: string[]
  rule: LinkRule
  where: Readonly<Record<string, string>>
  foreignKey: ForeignKey | undefined
}

/** The name of a link in the map: its columns. A column name with a comma or a quote is quoted, so that names stay unambiguous. */
export const linkName = (columns: readonly string[]): string =>
  columns
    .map((column) => (/[,"]/.test(column) ? `"${column.replaceAll('"', '""')}"` : column))
    .join(', ')

/** The column of a link that the map names by a single column. */
export function linkColumn(table: Table | undefined, name: string): string | undefined {
  return [...(table?.columns.keys() ?? [])].find((column) => linkName([column]) === name)
}

/** The tables from which foreign keys or declared links lead to a person, at any depth, and the person's own table. */
export function reachingTables({ foreignKeys }: Catalog, map: DataMap): Set<string> {
  const declared = Object.entries(map.tables).flatMap(([table, { references }]) =>
    Object.values(references).flatMap((link) =>
      isDeclared(link) ? [{ table, target: link.to }] : [],
    ),
  )
  return leadingTo(map.person.table, [...foreignKeys, ...declared])
}

/** The table itself, and all tables that reference it, at any depth. */
function leadingTo(
  table: string,
  references: readonly { table: string; target: string }[],
): Set<string> {
  const found = new Set([table])
  for (const target of found)
    for (const one of references) if (one.target === target) found.add(one.table)
  return found
}

/** The valid links of the map. `checkLinks` reports the others. */
export function linksOf({ foreignKeys, tables }: Catalog, map: DataMap): Link[] {
  return Object.entries(map.tables).flatMap(([table, { references }]) =>
    Object.entries(references).flatMap(([name, entry]): Link[] => {
      if (typeof entry === 'object' && 'handled_by' in entry) return []
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

/** Whether the link references the person's key directly, without a table in between. */
export function namesPerson({ person }: DataMap, { target, targetColumns }: Link): boolean {
  const [key, ...more] = targetColumns
  return target === person.table && key === person.key && more.length === 0
}

export function isDeclared(link: LinkEntry): link is Extract<LinkEntry, { to: string }> {
  return typeof link === 'object' && 'to' in link
}

/** The tables with erased rows: the person's, and those whose rows are erased with the row that they reference. */
export function erasedTables(links: readonly Link[], map: DataMap): Set<string> {
  return leadingTo(
    map.person.table,
    links.filter(({ rule }) => rule === 'delete'),
  )
}
