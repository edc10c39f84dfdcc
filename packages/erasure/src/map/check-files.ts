import type { Catalog } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'

/** Checks each `files` entry: its columns exist, its folder is in the map, and rows and files are erased together. */
export function checkFiles({ tables }: Catalog, map: DataMap, erased: Set<string>): MapProblem[] {
  return Object.entries(map.tables).flatMap(([name, { files }]) => {
    const columns = tables.get(name)?.columns
    if (!files || !columns) return []
    const problems = [files.name, files.bytes]
      .filter((column) => !columns.has(column))
      .map((column) =>
        mapProblem(`${name}.${column}`, 'there is no such column', 'correct `files` of this table'),
      )
    const folder = map.folders?.[files.folder]
    if (!folder)
      problems.push(
        mapProblem(
          name,
          `its files are in ${files.folder}, which is no folder of the map`,
          'name one of `folders`',
        ),
      )
    else if (!folder.retain && !erased.has(name))
      problems.push(
        mapProblem(
          name,
          'its rows outlive the person, and the files that they name do not',
          'keep the folder, with a reason, or erase the rows',
        ),
      )
    return problems
  })
}
