import { type Catalogue, isUnique } from './catalogue.ts'
import type { DataMap } from './data-map.ts'
import { type Fault, fault } from './fault.ts'
import { type Link, linkName, namesPerson } from './reach.ts'

/**
 * Each link on which a row could still come to a person who is being erased, or to one who is gone, has a trigger that
 * refuses it (`migrations/0008_fence.sql`). Deeper foreign keys need none: what they point at is locked, and then gone.
 */
export function checkFences({ tables }: Catalogue, map: DataMap, links: Link[]): Fault[] {
  return links.flatMap((link) => {
    const condition = conditionOf(map, link)
    const target = tables.get(link.target)
    if (!condition || !target || !isUnique(target, link.targetColumns)) return []
    const fences = tables.get(link.table)?.fences ?? []
    if (fences.some((fence) => guards(fence, condition.call, link))) return []
    return [
      fault(
        `${link.table} (${linkName(link.columns)})`,
        'nothing keeps a late row from coming to a person who is being erased',
        fenceLine(link, condition.when),
      ),
    ]
  })
}

interface Condition {
  /** How the call of it looks in the catalogue, where types may have been added. */
  call: RegExp
  when: string
}

function conditionOf(map: DataMap, link: Link): Condition | undefined {
  const { columns, target, targetColumns, rule, where, foreignKey } = link
  const [column = ''] = columns
  const [by = ''] = targetColumns
  if (rule === 'stays') return undefined
  const speaks = Object.entries(where).map(
    ([name, value]) => `new.${quoted(name)} = ${literal(value)} and `,
  )
  const row = `\\(*new\\.${escaped(quoted(column))}\\b`
  if (namesPerson(map, link))
    return {
      call: new RegExp(`lethe\\.is_erasing\\(${row}`),
      when: `${speaks.join('')}lethe.is_erasing(new.${quoted(column)})`,
    }
  if (foreignKey) return undefined
  return {
    call: new RegExp(
      `lethe\\.is_absent\\('${escaped(quotedTable(target))}'::regclass, '${escaped(by)}'::name, ${row}`,
    ),
    when: `${speaks.join('')}lethe.is_absent('${quotedTable(target)}', '${by}', new.${quoted(column)})`,
  }
}

function fenceLine({ table, columns, where }: Link, when: string): string {
  const watched = [...columns, ...Object.keys(where)]
  const name = quoted(`erasure_fence_${columns.join('_')}`)
  return `create trigger ${name} before insert or update of ${watched.map(quoted).join(', ')} on ${quotedTable(table)} for each row when (${when}) execute function lethe.refuse_row()`
}

/** Of a trigger that looks at some columns alone, all that decide are among them. */
function guards(fence: string, call: RegExp, { columns, where }: Link): boolean {
  const watched = /UPDATE OF (.+?) ON /.exec(fence)?.[1]?.split(', ')
  const decide = [...columns, ...Object.keys(where)].map(quoted)
  return call.test(fence) && (!watched || decide.every((column) => watched.includes(column)))
}

const quoted = (name: string) =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
const quotedTable = (table: string) => table.split('.').map(quoted).join('.')
const literal = (value: string) => `'${value.replaceAll("'", "''")}'`
const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
