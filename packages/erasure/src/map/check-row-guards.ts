import type { Catalog } from './catalog.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'
import type { Link } from './reachable-tables.ts'
import type { Table } from './table.ts'

/**
 * Checks that nothing can silently keep or hide rows of a person: a trigger that could must be in the map with a reason;
 * rules and policies on tables that an erasure changes are rejected.
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
    const isErasedOtherwise = Object.values(entry.references).some(
      (link) => typeof link === 'object' && 'handled_by' in link,
    )
    const deletes = erased.has(name) || isErasedOtherwise
    const updates =
      links.some((link) => link.table === name && link.rule === 'anonymize') || isErasedOtherwise
    return [
      ...checkTriggers(table, entry.triggers ?? {}, { deletes, updates }),
      ...(deletes || updates ? checkRules(table) : []),
      ...checkPolicies(table, catalog.role),
    ]
  })
}

function checkTriggers(
  table: Table,
  declared: Readonly<Record<string, string>>,
  { deletes, updates }: { deletes: boolean; updates: boolean },
): MapProblem[] {
  const running = table.rowTriggers.filter(
    (trigger) => (deletes && trigger.deletes) || (updates && trigger.updates),
  )
  const missing = running
    .filter(({ name }) => !declared[name]?.trim())
    .map(({ name }) =>
      mapProblem(
        table.name,
        `its trigger ${name} runs before each row and can keep what an erasure deletes or overwrites`,
        `drop it, or say in the entry of the table why it may stay: triggers: { '${name}': '…' }`,
      ),
    )
  const surplus = Object.keys(declared)
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

/** A policy would hide rows from an erasure and an export. With the session's `row_security = off`, such a query fails instead. */
function checkPolicies({ name, quoted, rowSecurity, owned }: Table, role: string): MapProblem[] {
  if (!rowSecurity) return []
  const remedy = owned
    ? `alter table ${quoted} no force row level security`
    : `alter table ${quoted} owner to ${role}`
  return [
    mapProblem(
      name,
      `row-level security hides rows of it from the role ${role}`,
      `alter role ${role} bypassrls, or ${remedy}`,
    ),
  ]
}
