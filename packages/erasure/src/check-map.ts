import type { Catalogue, ForeignKey, Table } from './catalogue.ts'
import type { ColumnEntry, DataMap, TableEntry } from './data-map.ts'
import type { Fault } from './fault.ts'
import { erasedTables, isDeclared, type Link, linkName, linksOf, reachingTables } from './reach.ts'

/** Holds the map to the live catalogue: nothing that reaches a person is missing, and nothing in it contradicts a constraint. */
export function checkMap(catalogue: Catalogue, map: DataMap): Fault[] {
  const { tables } = catalogue
  const person = tables.get(map.person.table)
  if (!person?.columns.has(map.person.key))
    return [
      fault(
        'person',
        `there is no ${map.person.table}.${map.person.key}`,
        'name the table that has a row for each person, and its key',
      ),
    ]
  if (!isUnique(person, [map.person.key]))
    return [
      fault(
        'person',
        `${map.person.table}.${map.person.key} is not unique`,
        'name a column by which a row is one person',
      ),
    ]
  const links = linksOf(catalogue, map)
  const other = links.find(({ table, rule }) => table === map.person.table && rule === 'delete')
  if (other)
    return [
      fault(
        `${other.table} (${linkName(other.columns)})`,
        `a person would be erased with a row of ${other.target}`,
        "say 'clear', so that nobody is erased who did not ask",
      ),
    ]
  const erased = erasedTables(links, map)
  return [
    ...missingTables(catalogue, map),
    ...namesWithoutKey(catalogue, map, links),
    ...Object.entries(map.tables).flatMap(([name, entry]) => {
      const table = tables.get(name)
      if (!table)
        return [
          fault(name, 'there is no such table', 'take the entry out, or migrate the database'),
        ]
      return [
        ...checkColumns(table, entry),
        ...checkLinks(catalogue, map, table, entry),
        ...checkClearing(
          table,
          entry,
          links.filter((link) => link.table === name && link.rule === 'clear'),
        ),
      ]
    }),
    ...links.flatMap((link) => checkLink(catalogue, link, erased)),
    ...checkFirst(map, links),
  ]
}

function missingTables(catalogue: Catalogue, map: DataMap): Fault[] {
  return [...reachingTables(catalogue, map)]
    .filter((name) => !map.tables[name])
    .map((name) => {
      const keys = catalogue.foreignKeys.filter(({ table }) => table === name)
      const line = entryLine(
        catalogue.tables.get(name) as Table,
        keys.map(({ columns }) => linkName(columns)),
      )
      return fault(name, 'its rows lead to a person and it is not in the data map', `add ${line}`)
    })
}

/**
 * In the schemas of the map, a column named as those are that lead to a person most likely names one too, though no
 * foreign key says so.
 */
function namesWithoutKey({ tables, foreignKeys }: Catalogue, map: DataMap, links: Link[]): Fault[] {
  const names = new Set(
    links.filter(({ target }) => target === map.person.table).flatMap(({ columns }) => columns),
  )
  names.delete(map.person.key)
  const schemas = new Set(Object.keys(map.tables).map(schemaOf))
  const near = [...tables.values()].filter(({ name }) => schemas.has(schemaOf(name)))
  return near.flatMap((table) =>
    [...table.columns.keys()]
      .filter((column) => names.has(column))
      .filter(
        (column) =>
          !foreignKeys.some((key) => key.table === table.name && key.columns.includes(column)),
      )
      .filter((column) => !map.tables[table.name]?.links[column])
      .map((column) =>
        fault(
          `${table.name}.${column}`,
          'by its name it tells of a person, and no foreign key leads there',
          `give it one (references ${map.person.table} on delete cascade) and add ${entryLine(table, [column])}`,
        ),
      ),
  )
}

function checkColumns({ name, columns }: Table, entry: TableEntry): Fault[] {
  const missing = [...columns.keys()]
    .filter((column) => !entry.columns[column])
    .map((column) =>
      fault(
        `${name}.${column}`,
        'it belongs to a person and is not in the data map',
        `add ${columnLine(column)}`,
      ),
    )
  const surplus = Object.keys(entry.columns)
    .filter((column) => !columns.has(column))
    .map((column) =>
      fault(
        `${name}.${column}`,
        'there is no such column',
        'take the entry out, or migrate the database',
      ),
    )
  const names = Object.values(entry.columns).flatMap((column) =>
    typeof column.export === 'string' ? [column.export] : [],
  )
  const doubled = names
    .filter((one, place) => names.indexOf(one) !== place)
    .map((one) => fault(name, `two columns are exported as ${one}`, 'give each a name of its own'))
  const unfounded = Object.entries(entry.columns)
    .filter(([, column]) => isUnfounded(column))
    .map(([column]) =>
      fault(
        `${name}.${column}`,
        'it is kept, or left out, without a reason',
        'say on what basis and for how long',
      ),
    )
  return [...missing, ...surplus, ...doubled, ...unfounded]
}

function isUnfounded({ export: out, erase }: ColumnEntry): boolean {
  if (typeof out === 'object' && !out.not.trim()) return true
  return erase !== undefined && 'keep' in erase && !(erase.keep.trim() && erase.until.trim())
}

function checkLinks(catalogue: Catalogue, map: DataMap, table: Table, entry: TableEntry): Fault[] {
  const { foreignKeys, tables } = catalogue
  const reaching = reachingTables(catalogue, map)
  const own = foreignKeys.filter((key) => key.table === table.name && reaching.has(key.target))
  const missing = own
    .filter(({ columns }) => !entry.links[linkName(columns)])
    .map((key) =>
      fault(
        `${table.name} (${linkName(key.columns)})`,
        `it leads to ${key.target} and the data map does not say what becomes of the row`,
        `add '${linkName(key.columns)}': '${ruleOf(key)}' to its links`,
      ),
    )
  const wrong = Object.entries(entry.links).flatMap(([name, link]) => {
    const at = `${table.name} (${name})`
    const unknown = name.split(', ').find((column) => !table.columns.has(column))
    if (unknown)
      return [
        fault(at, `there is no column ${unknown}`, 'take the link out, or migrate the database'),
      ]
    if (typeof link === 'object') {
      if (!isDeclared(link))
        return link.otherwise.trim()
          ? []
          : [fault(at, 'it does not say how it is erased', 'say it')]
      const missing = Object.keys(link.where ?? {}).find((column) => !table.columns.has(column))
      if (missing)
        return [fault(at, `there is no column ${missing}`, 'name one of this table in `where`')]
      if (!tables.get(link.to)?.columns.has(link.by))
        return [fault(at, `there is no ${link.to}.${link.by}`, 'say which column it points at')]
      return isUnique(tables.get(link.to) as Table, [link.by])
        ? []
        : [fault(at, `${link.to}.${link.by} is not unique`, 'point at a key')]
    }
    return own.some(({ columns }) => linkName(columns) === name)
      ? []
      : [
          fault(
            at,
            'no foreign key leads from there to a person',
            `say what it points at: { rule: '${link}', to: '…', by: '…' }`,
          ),
        ]
  })
  return [...missing, ...wrong]
}

/** Where the rule of the map meets the one of the database, and the index that makes it quick. */
function checkLink({ tables }: Catalogue, link: Link, erased: Set<string>): Fault[] {
  const { table, columns, target, rule, foreignKey } = link
  const at = `${table} (${linkName(columns)})`
  const goes = erased.has(target)
  if (rule === 'stays')
    return goes
      ? [fault(at, `rows of ${target} are erased, so it cannot stay`, "say 'delete' or 'clear'")]
      : []
  if (!goes) return [fault(at, `no row of ${target} is ever erased`, "say 'stays'")]
  const faults: Fault[] = []
  const needed = [...columns, ...Object.keys(link.where)]
  if (!tables.get(table)?.indexes.some((index) => serves(index, columns) || serves(index, needed)))
    faults.push(
      fault(
        at,
        'it has no index, so that each erasure reads the whole table',
        `create index on ${table} (${linkName(columns)})`,
      ),
    )
  if (foreignKey && !agrees(foreignKey, rule)) {
    const wanted = rule === 'delete' ? 'cascade' : 'set null'
    faults.push(
      fault(
        at,
        `${foreignKey.name} says on delete ${foreignKey.onDelete}, the data map ${rule}`,
        `declare it on delete ${wanted}`,
      ),
    )
  }
  return faults
}

/** What is overwritten in rows that outlive the person. */
function checkClearing(
  { name, columns, uniqueKeys }: Table,
  entry: TableEntry,
  cleared: Link[],
): Fault[] {
  if (cleared.length === 0) return []
  const faults: Fault[] = []
  for (const [column, { erase }] of Object.entries(entry.columns)) {
    const facts = columns.get(column)
    const at = `${name}.${column}`
    const isLink = cleared.some((link) => link.columns.includes(column))
    if (!facts) continue
    if (!erase)
      faults.push(
        fault(
          at,
          'its row outlives the person, and it has no `erase`',
          "say { to: … } or { keep: 'why', until: 'when' }",
        ),
      )
    else if ('to' in erase) {
      if (erase.to === null && facts.notNull)
        faults.push(fault(at, 'it takes no null', 'say another value, or let it be null'))
      if (erase.with && !cleared.some((link) => linkName(link.columns) === erase.with))
        faults.push(
          fault(at, `no link ${erase.with} is cleared`, 'name one that is, or leave `with` out'),
        )
      const alone = uniqueKeys.some((key) => key.length === 1 && key[0] === column)
      if (facts.generated)
        faults.push(fault(at, 'the database sets it itself', 'keep it, with a reason'))
      else if (erase.to !== null && alone)
        faults.push(
          fault(
            at,
            'it is unique, so that two rows cannot hold one value',
            'say null, or keep it with a reason',
          ),
        )
    } else if (isLink && cleared.every((link) => link.columns.length === 1))
      faults.push(fault(at, 'it names the person who is erased, and is kept', 'say { to: null }'))
  }
  return faults
}

function checkFirst(map: DataMap, links: Link[]): Fault[] {
  return Object.entries(map.tables)
    .filter(
      ([name, { first }]) =>
        first && links.some(({ target, rule }) => target === name && rule === 'delete'),
    )
    .map(([name]) =>
      fault(
        name,
        'it is to be erased first, and rows of other tables hang on it',
        'take `first` out',
      ),
    )
}

/** The rule of the map that agrees with the one of the database. */
function ruleOf({ onDelete }: ForeignKey): 'delete' | 'clear' {
  return onDelete === 'set null' || onDelete === 'set default' ? 'clear' : 'delete'
}

function agrees({ onDelete, deferrable }: ForeignKey, rule: 'delete' | 'clear'): boolean {
  if (onDelete === 'no action') return deferrable
  if (onDelete === 'restrict') return false
  return (onDelete === 'cascade') === (rule === 'delete')
}

function serves(index: string[], columns: string[]): boolean {
  const first = index.slice(0, columns.length)
  return first.length === columns.length && columns.every((column) => first.includes(column))
}

function isUnique({ uniqueKeys }: Table, columns: string[]): boolean {
  return uniqueKeys.some(
    (key) => key.length === columns.length && columns.every((one) => key.includes(one)),
  )
}

const schemaOf = (table: string) => (table.includes('.') ? table.split('.')[0] : 'public')

/** As it stands in the map. */
function entryLine({ name, columns }: Table, links: string[]): string {
  const key = /^\w+$/.test(name) ? name : `'${name}'`
  const linkLines = links.map((link) => `${/^\w+$/.test(link) ? link : `'${link}'`}: 'delete'`)
  return `${key}: { is: '…', links: { ${linkLines.join(', ')} }, columns: { ${[...columns.keys()].map(columnLine).join(', ')} } }`
}

const columnLine = (column: string) => `${column}: { is: '…', export: '${column}' }`

function fault(entry: string, says: string, remedy: string): Fault {
  return { entry, says, remedy }
}
