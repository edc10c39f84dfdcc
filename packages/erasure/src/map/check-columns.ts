import type { ColumnEntry, Retention, TableEntry } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import { type Link, linkName } from './reachable-tables.ts'
import { suggestColumn } from './suggest-entry.ts'
import type { Table } from './table.ts'

/** Checks that each column is in the map, and that each kept or left-out column has a reason. */
export function checkColumns({ name, columns }: Table, entry: TableEntry): MapProblem[] {
  const missing = [...columns.keys()]
    .filter((column) => !entry.columns[column])
    .map((column) =>
      mapProblem(
        `${name}.${column}`,
        'it belongs to a person and is not in the data map',
        `add ${suggestColumn(column)}`,
      ),
    )
  const surplus = Object.keys(entry.columns)
    .filter((column) => !columns.has(column))
    .map((column) =>
      mapProblem(
        `${name}.${column}`,
        'there is no such column',
        'take the entry out, or migrate the database',
      ),
    )
  const names = Object.values(entry.columns).flatMap((column) =>
    typeof column.export === 'string' ? [column.export] : [],
  )
  const duplicates = names
    .filter((one, index) => names.indexOf(one) !== index)
    .map((one) =>
      mapProblem(name, `two columns are exported as ${one}`, 'give each a name of its own'),
    )
  const withoutReason = Object.entries(entry.columns)
    .filter(([, column]) => lacksReason(column))
    .map(([column]) =>
      mapProblem(
        `${name}.${column}`,
        'it is kept, or left out, without a reason',
        'say on what basis and for how long',
      ),
    )
  return [...missing, ...surplus, ...duplicates, ...withoutReason]
}

function lacksReason({ export: out, reason, retain }: ColumnEntry): boolean {
  if (out === false && !reason?.trim()) return true
  return retain !== undefined && !isJustified(retain)
}

/** The retention has a reason and an end. */
export function isJustified({ reason, until }: Retention): boolean {
  return reason.trim() !== '' && until.trim() !== ''
}

/** Checks the columns of rows that outlive the person: each is overwritten with a valid value, or kept. */
export function checkClearing(
  { name, columns, uniqueKeys }: Table,
  entry: TableEntry,
  cleared: Link[],
): MapProblem[] {
  if (cleared.length === 0) return []
  const problems: MapProblem[] = []
  for (const [column, { on_erase: onErase, retain }] of Object.entries(entry.columns)) {
    const catalogColumn = columns.get(column)
    const at = `${name}.${column}`
    const isLink = cleared.some((link) => link.columns.includes(column))
    if (!catalogColumn) continue
    if (onErase && retain)
      problems.push(mapProblem(at, 'it has both `on_erase` and `retain`', 'say one of the two'))
    if (!onErase && !retain)
      problems.push(
        mapProblem(
          at,
          'its row outlives the person, and it has neither `on_erase` nor `retain`',
          "say on_erase: { set: … } or retain: { reason: 'why', until: 'when' }",
        ),
      )
    else if (onErase) {
      if (onErase.set === null && catalogColumn.notNull)
        problems.push(mapProblem(at, 'it takes no null', 'say another value, or let it be null'))
      if (onErase.with && !cleared.some((link) => linkName(link.columns) === onErase.with))
        problems.push(
          mapProblem(
            at,
            `no link ${onErase.with} is cleared`,
            'name one that is, or leave `with` out',
          ),
        )
      const alone = uniqueKeys.some((key) => key.length === 1 && key[0] === column)
      if (catalogColumn.generated)
        problems.push(mapProblem(at, 'the database sets it itself', 'keep it, with a reason'))
      else if (onErase.set !== null && alone)
        problems.push(
          mapProblem(
            at,
            'it is unique, so that two rows cannot hold one value',
            'say null, or keep it with a reason',
          ),
        )
    } else if (isLink && cleared.every((link) => link.columns.length === 1))
      problems.push(
        mapProblem(
          at,
          'it names the person who is erased, and is kept',
          'say on_erase: { set: null }',
        ),
      )
  }
  return problems
}
