import type { Catalog } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { exportName, isExported } from './export-names.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'

/** Export names become file names, so they must be valid on every system. */
const EXPORT_NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/

interface Named {
  entry: string
  name: string
}

/** Checks that each exported table and folder has a valid, unique name, and that `order` names existing columns. */
export function checkExport({ tables }: Catalog, map: DataMap): MapProblem[] {
  const datasets = Object.entries(map.tables)
    .filter(([, entry]) => isExported(entry))
    .map(([table, entry]) => ({ entry: table, name: exportName(table, entry) }))
  const folders = Object.entries(map.folders ?? {}).flatMap(([folder, { export: name }]) =>
    typeof name === 'string' ? [{ entry: folder, name }] : [],
  )
  const unknownOrder = Object.entries(map.tables).flatMap(([table, { order = [] }]) =>
    order
      .filter((column) => tables.get(table) && !tables.get(table)?.columns.has(column))
      .map((column) =>
        mapProblem(
          table,
          `\`order\` names ${column}, which it does not have`,
          'name existing columns',
        ),
      ),
  )
  return [...checkNames(datasets), ...checkNames(folders), ...unknownOrder]
}

function checkNames(names: Named[]): MapProblem[] {
  const lower = names.map(({ name }) => name.toLowerCase())
  return names.flatMap(({ entry, name }, index) => {
    if (!EXPORT_NAME.test(name))
      return [
        mapProblem(entry, `it cannot be exported as ${name}`, 'say letters, digits and dashes'),
      ]
    if (lower.indexOf(name.toLowerCase()) !== index)
      return [
        mapProblem(entry, `another entry is exported as ${name}`, 'give it a name of its own'),
      ]
    return []
  })
}
