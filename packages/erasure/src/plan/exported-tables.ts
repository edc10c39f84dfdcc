import type { Column } from '../map/catalog.ts'
import { exportName, isExported } from '../map/export-names.ts'
import type { Plan } from './plan.ts'

/** A table of which an export tells. */
export interface ExportedTable {
  table: string
  /** In the export, as its columns are by the names that they have there. */
  name: string
  is: string
  columns: { name: string; is: string; column: Column }[]
}

/** In the order of the map. */
export function exportedTables({ map, tables }: Plan): ExportedTable[] {
  return Object.entries(map.tables)
    .filter(([, entry]) => isExported(entry))
    .map(([table, entry]) => ({
      table,
      name: exportName(table, entry),
      is: entry.is,
      columns: Object.entries(entry.columns).flatMap(([name, { is, export: out }]) => {
        const column = tables.get(table)?.columns.get(name)
        return typeof out === 'string' && column ? [{ name: out, is, column }] : []
      }),
    }))
}
