import { type Catalog, isUnique } from './catalog.ts'
import { checkClearing, checkColumns } from './check-columns.ts'
import { checkExport } from './check-export.ts'
import { checkFiles } from './check-files.ts'
import { checkFolders } from './check-folders.ts'
import { checkFirst, checkLink, checkLinks } from './check-links.ts'
import { checkRowGuards } from './check-row-guards.ts'
import type { DataMap } from './data-map.ts'
import { checkFences } from './fence.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import { erasedTables, type Link, linkName, linksOf, reachingTables } from './reachable-tables.ts'
import { suggestEntry } from './suggest-entry.ts'
import type { Table } from './table.ts'

/** Compares the map with the live catalog: nothing that leads to a person is missing, and nothing contradicts a constraint. */
export function checkMap(catalog: Catalog, map: DataMap): MapProblem[] {
  const { tables } = catalog
  const person = tables.get(map.person.table)
  if (!person?.columns.has(map.person.key))
    return [
      mapProblem(
        'person',
        `there is no ${map.person.table}.${map.person.key}`,
        'name the table that has a row for each person, and its key',
      ),
    ]
  if (!isUnique(person, [map.person.key]))
    return [
      mapProblem(
        'person',
        `${map.person.table}.${map.person.key} is not unique`,
        'name a column by which a row is one person',
      ),
    ]
  const links = linksOf(catalog, map)
  const other = links.find(({ table, rule }) => table === map.person.table && rule === 'delete')
  if (other)
    return [
      mapProblem(
        `${other.table} (${linkName(other.columns)})`,
        `a person would be erased with a row of ${other.target}`,
        "say 'anonymize', so that only people who asked for it are erased",
      ),
    ]
  const erased = erasedTables(links, map)
  const reaching = reachingTables(catalog, map)
  return [
    ...missingTables(catalog, map, reaching),
    ...namesWithoutKey(catalog, map, links),
    ...Object.entries(map.tables).flatMap(([name, entry]) => {
      const table = tables.get(name)
      if (!table)
        return [
          mapProblem(name, 'there is no such table', 'take the entry out, or migrate the database'),
        ]
      return [
        ...checkColumns(table, entry),
        ...checkLinks(catalog, reaching, table, entry),
        ...checkClearing(
          table,
          entry,
          links.filter((link) => link.table === name && link.rule === 'anonymize'),
        ),
      ]
    }),
    ...links.flatMap((link) => checkLink(catalog, link, erased)),
    ...checkFirst(map, links),
    ...checkFences(catalog, map, links),
    ...checkRowGuards(catalog, map, links, erased),
    ...checkFolders(map),
    ...checkFiles(catalog, map, erased),
    ...checkExport(catalog, map),
  ]
}

function missingTables(catalog: Catalog, map: DataMap, reaching: Set<string>): MapProblem[] {
  return [...reaching]
    .filter((name) => !map.tables[name])
    .map((name) => {
      const keys = catalog.foreignKeys.filter(({ table }) => table === name)
      const line = suggestEntry(
        catalog.tables.get(name) as Table,
        keys.map(({ columns }) => linkName(columns)),
      )
      return mapProblem(
        name,
        'its rows lead to a person and it is not in the data map',
        `add ${line}`,
      )
    })
}

/**
 * Reports columns without a foreign key that have the name of a link to a person: in the schemas of the map, they most
 * likely reference a person too.
 */
function namesWithoutKey(
  { tables, foreignKeys }: Catalog,
  map: DataMap,
  links: Link[],
): MapProblem[] {
  const names = new Set(
    links.filter(({ target }) => target === map.person.table).flatMap(({ columns }) => columns),
  )
  names.delete(map.person.key)
  const schemas = new Set(Object.keys(map.tables).map((name) => tables.get(name)?.schema))
  const near = [...tables.values()].filter(({ schema }) => schemas.has(schema))
  return near.flatMap((table) =>
    [...table.columns.keys()]
      .filter((column) => names.has(column))
      .filter(
        (column) =>
          !foreignKeys.some((key) => key.table === table.name && key.columns.includes(column)),
      )
      .filter((column) => !map.tables[table.name]?.references[linkName([column])])
      .map((column) =>
        mapProblem(
          `${table.name}.${column}`,
          'its name suggests that it references a person, but it has no foreign key',
          `add one (references ${tables.get(map.person.table)?.quoted} on delete cascade) and add ${suggestEntry(table, [linkName([column])])}`,
        ),
      ),
  )
}
