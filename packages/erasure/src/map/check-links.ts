import { type Catalog, type ForeignKey, isUnique } from './catalog.ts'
import type { DataMap, TableEntry } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import { isDeclared, type Link, linkColumn, linkName } from './reachable-tables.ts'
import type { Table } from './table.ts'

/** Checks that each foreign key that leads to a person is in the map, and that each link of the map has a valid target. */
export function checkLinks(
  { foreignKeys, tables }: Catalog,
  reaching: Set<string>,
  table: Table,
  entry: TableEntry,
): MapProblem[] {
  const own = foreignKeys.filter((key) => key.table === table.name && reaching.has(key.target))
  const missing = own
    .filter(({ columns }) => !entry.references[linkName(columns)])
    .map((key) =>
      mapProblem(
        `${table.name} (${linkName(key.columns)})`,
        `it leads to ${key.target} and the data map does not say what becomes of the row`,
        `add '${linkName(key.columns)}': '${ruleOf(key)}' to its references`,
      ),
    )
  const wrong = Object.entries(entry.references).flatMap(([name, link]) => {
    const at = `${table.name} (${name})`
    const isColumn = linkColumn(table, name) !== undefined
    const isKey = foreignKeys.some(
      (key) => key.table === table.name && linkName(key.columns) === name,
    )
    if (!isColumn && (typeof link === 'object' || !isKey))
      return [
        mapProblem(
          at,
          `there is no column ${name}${typeof link === 'object' ? '' : ', nor a foreign key of such columns'}`,
          'take the link out, or migrate the database',
        ),
      ]
    if (typeof link === 'object') {
      if (!isDeclared(link))
        return link.handled_by.trim()
          ? []
          : [mapProblem(at, 'it does not say how it is erased', 'say it')]
      const missing = Object.keys(link.where ?? {}).find((column) => !table.columns.has(column))
      if (missing)
        return [
          mapProblem(at, `there is no column ${missing}`, 'name one of this table in `where`'),
        ]
      if (!tables.get(link.to)?.columns.has(link.by))
        return [
          mapProblem(at, `there is no ${link.to}.${link.by}`, 'say which column it points at'),
        ]
      return isUnique(tables.get(link.to) as Table, [link.by])
        ? []
        : [mapProblem(at, `${link.to}.${link.by} is not unique`, 'point at a key')]
    }
    return own.some(({ columns }) => linkName(columns) === name)
      ? []
      : [
          mapProblem(
            at,
            'no foreign key leads from there to a person',
            `say what it points at: { rule: '${link}', to: '…', by: '…' }`,
          ),
        ]
  })
  return [...missing, ...wrong]
}

/** Checks that the rule of the map agrees with the foreign key, and that an index serves the link. */
export function checkLink({ tables }: Catalog, link: Link, erased: Set<string>): MapProblem[] {
  const { table, columns, target, rule, foreignKey } = link
  const at = `${table} (${linkName(columns)})`
  const isErased = erased.has(target)
  if (rule === 'keep')
    return isErased
      ? [
          mapProblem(
            at,
            `rows of ${target} are erased, so it cannot stay`,
            "say 'delete' or 'anonymize'",
          ),
        ]
      : []
  if (!isErased) return [mapProblem(at, `no row of ${target} is ever erased`, "say 'keep'")]
  const problems: MapProblem[] = []
  const needed = [...columns, ...Object.keys(link.where)]
  if (!tables.get(table)?.indexes.some((index) => serves(index, columns) || serves(index, needed)))
    problems.push(
      mapProblem(
        at,
        'it has no index, so that each erasure reads the whole table',
        `create index on ${tables.get(table)?.quoted} (${quotedColumns(tables.get(table), columns)})`,
      ),
    )
  if (foreignKey && !agrees(foreignKey, rule)) {
    const wanted = rule === 'delete' ? 'cascade' : 'set null'
    problems.push(
      mapProblem(
        at,
        `${foreignKey.name} says on delete ${foreignKey.onDelete}, the data map says ${rule}`,
        `declare it on delete ${wanted}`,
      ),
    )
  }
  return problems
}

const quotedColumns = (table: Table | undefined, columns: string[]) =>
  columns.map((column) => table?.columns.get(column)?.quoted).join(', ')

/** Checks that no row of another table is erased with a row of a table marked `first`. */
export function checkFirst(map: DataMap, links: Link[]): MapProblem[] {
  return Object.entries(map.tables)
    .filter(
      ([name, { first }]) =>
        first && links.some(({ target, rule }) => target === name && rule === 'delete'),
    )
    .map(([name]) =>
      mapProblem(
        name,
        'it is marked `first`, but rows of other tables reference it',
        'take `first` out',
      ),
    )
}

/** The rule of the map that agrees with the foreign key. */
function ruleOf({ onDelete }: ForeignKey): 'delete' | 'anonymize' {
  return onDelete === 'set null' || onDelete === 'set default' ? 'anonymize' : 'delete'
}

function agrees({ onDelete, deferrable }: ForeignKey, rule: 'delete' | 'anonymize'): boolean {
  if (onDelete === 'no action') return deferrable
  if (onDelete === 'restrict') return false
  return (onDelete === 'cascade') === (rule === 'delete')
}

function serves(index: string[], columns: string[]): boolean {
  const first = index.slice(0, columns.length)
  return first.length === columns.length && columns.every((column) => first.includes(column))
}
