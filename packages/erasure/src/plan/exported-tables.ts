import { exportName, isExported } from '../map/export-names.ts'
import type { Column } from '../map/table.ts'
import type { Plan } from './plan.ts'

/** A table that is part of an export. */
export interface ExportedTable {
  table: string
  /** The table's name in the export; `columns` have their export names too. */
  name: string
  description: string
  columns: { name: string; description: string; column: Column }[]
}

/** The exported tables, in the order of the map. */
export function exportedTables({ map, tables }: Plan): ExportedTable[] {
  return Object.entries(map.tables)
    .filter(([, entry]) => isExported(entry))
    .map(([table, entry]) => ({
      table,
      name: exportName(table, entry),
      description: entry.description,
      columns: Object.entries(entry.columns).flatMap(([name, { description, export: out }]) => {
        const column = tables.get(table)?.columns.get(name)
        return typeof out === 'string' && column ? [{ name: out, description, column }] : []
      }),
    }))
}
