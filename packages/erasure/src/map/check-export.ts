import type { Catalog } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { exportName, isExported } from './export-names.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'

/** They become names of files, on any system. */
const fit = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/

interface Named {
  entry: string
  name: string
}

/** Whatever is exported has a name of its own that any system takes, and an order that the table has. */
export function checkExport({ tables }: Catalog, map: DataMap): MapProblem[] {
  const kinds = Object.entries(map.tables)
    .filter(([, entry]) => isExported(entry))
    .map(([table, entry]) => ({ entry: table, name: exportName(table, entry) }))
  const folders = Object.entries(map.folders ?? {}).flatMap(([folder, { export: name }]) =>
    typeof name === 'string' ? [{ entry: folder, name }] : [],
  )
  const disordered = Object.entries(map.tables).flatMap(([table, { order = [] }]) =>
    order
      .filter((column) => tables.get(table) && !tables.get(table)?.columns.has(column))
      .map((column) =>
        mapProblem(table, `it has no ${column} to be in order by`, 'name columns that it has'),
      ),
  )
  return [...checkNames(kinds), ...checkNames(folders), ...disordered]
}

function checkNames(names: Named[]): MapProblem[] {
  const lower = names.map(({ name }) => name.toLowerCase())
  return names.flatMap(({ entry, name }, place) => {
    if (!fit.test(name))
      return [
        mapProblem(entry, `it cannot be exported as ${name}`, 'say letters, digits and dashes'),
      ]
    if (lower.indexOf(name.toLowerCase()) !== place)
      return [
        mapProblem(entry, `another entry is exported as ${name}`, 'give it a name of its own'),
      ]
    return []
  })
}
