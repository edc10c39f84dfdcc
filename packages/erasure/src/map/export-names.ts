import type { TableEntry } from './data-map.ts'

export function isExported({ columns }: TableEntry): boolean {
  return Object.values(columns).some((column) => typeof column.export === 'string')
}

export function exportName(table: string, entry: TableEntry): string {
  return entry.export ?? table.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
}
