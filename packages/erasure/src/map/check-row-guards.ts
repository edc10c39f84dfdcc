import type { Catalog, Table } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import type { Link } from './reachable-tables.ts'

/**
 * Nothing keeps or hides rows of a person unnoticed: triggers that could are in the map, with the reason why they may stay; rules
 * and policies are never on what an erasure changes.
 */
export function checkRowGuards(
  catalog: Catalog,
  map: DataMap,
  links: Link[],
  erased: Set<string>,
): MapProblem[] {
  return Object.entries(map.tables).flatMap(([name, entry]) => {
    const table = catalog.tables.get(name)
    if (!table) return []
    const others = Object.values(entry.links).some(
      (link) => typeof link === 'object' && 'otherwise' in link,
    )
    const deletes = erased.has(name) || others
    const updates = links.some((link) => link.table === name && link.rule === 'clear') || others
    return [
      ...checkTriggers(table, entry.triggers ?? {}, { deletes, updates }),
      ...(deletes || updates ? checkRules(table) : []),
      ...checkPolicies(table, catalog.role),
    ]
  })
}

function checkTriggers(
  table: Table,
  known: Readonly<Record<string, string>>,
  { deletes, updates }: { deletes: boolean; updates: boolean },
): MapProblem[] {
  const running = table.rowTriggers.filter(
    (trigger) => (deletes && trigger.deletes) || (updates && trigger.updates),
  )
  const missing = running
    .filter(({ name }) => !known[name]?.trim())
    .map(({ name }) =>
      mapProblem(
        table.name,
        `its trigger ${name} runs before each row and can keep what an erasure deletes or overwrites`,
        `drop it, or say in the entry of the table why it may stay: triggers: { '${name}': '…' }`,
      ),
    )
  const surplus = Object.keys(known)
    .filter((name) => !table.rowTriggers.some((trigger) => trigger.name === name))
    .map((name) =>
      mapProblem(
        table.name,
        `it has no trigger ${name} that runs before each row`,
        'take it out of `triggers`',
      ),
    )
  return [...missing, ...surplus]
}

function checkRules({ name, rules }: Table): MapProblem[] {
  return rules.map((rule) =>
    mapProblem(
      name,
      `its rule ${rule} rewrites what an erasure does`,
      'drop it, or make a trigger of it',
    ),
  )
}

/** A policy would hide rows from an erasure and from an export; the session's `row_security = off` fails instead. */
function checkPolicies({ name, quoted, rowSecurity, owned }: Table, role: string): MapProblem[] {
  if (!rowSecurity) return []
  const own = owned
    ? `alter table ${quoted} no force row level security`
    : `alter table ${quoted} owner to ${role}`
  return [
    mapProblem(
      name,
      `row-level security hides rows of it from the role ${role}`,
      `alter role ${role} bypassrls, or ${own}`,
    ),
  ]
}
