import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { columnsOf, losing, type MadeTable, type MadeWorld } from './random-schema.ts'

/** The schema of such a world, with its rows, and the view that says who its people are. */
export async function makeWorld(db: Db, world: MadeWorld, schema: string): Promise<void> {
  const lost = losing(world)
  const statements = [`create schema ${schema}`]
  for (const [table, { keys, links, partitioned }] of world.tables.entries()) {
    const own = keys === 2 ? ['k0', 'k1'] : ['k0']
    const columns = own.map((name) => `${name} bigint not null`)
    for (const [n, { declared }] of links.entries()) {
      columns.push(...columnsOf(world, table, n).map((name) => `${name} bigint`))
      if (declared) columns.push(`kind${n} text not null`)
    }
    const name = `${schema}.t${table}`
    const end = partitioned ? 'partition by hash (k0)' : ''
    statements.push(
      `create table ${name} (${columns.join(', ')}, payload text, primary key (${own.join(', ')})) ${end}`,
    )
    if (partitioned)
      for (const part of [0, 1])
        statements.push(
          `create table ${name}_${part} partition of ${name} for values with (modulus 2, remainder ${part})`,
        )
  }
  for (const [table, { links }] of world.tables.entries())
    for (const [n, { target, wish, declared, deferred }] of links.entries()) {
      const own = columnsOf(world, table, n).join(', ')
      statements.push(`create index on ${schema}.t${table} (${own})`)
      if (declared) continue
      const stays = !lost.has(target)
      const rule = wish === 'delete' ? 'on delete cascade' : 'on delete set null'
      const action = stays ? '' : deferred ? 'deferrable' : rule
      statements.push(
        `alter table ${schema}.t${table} add foreign key (${own}) references ${schema}.t${target} ${action}`,
      )
    }
  statements.push('begin')
  // First without a word on others, then with them: any row may point at any other.
  for (const [table, { links }] of world.tables.entries()) {
    const all = (world.rows[table] ?? []).map((_, place) =>
      rowOf(
        world,
        table,
        place,
        links.map((_, n) => n),
        'payload',
      ),
    )
    for (const row of all) statements.push(insert(`${schema}.t${table}`, row))
  }
  for (const [table, { keys, links }] of world.tables.entries())
    for (const place of (world.rows[table] ?? []).keys()) {
      const row = rowOf(world, table, place, [], 'payload')
      const set = links
        .flatMap((_, n) => columnsOf(world, table, n))
        .map((column) => `${column} = ${row[column]}`)
      if (set.length > 0)
        statements.push(
          `update ${schema}.t${table} set ${set.join(', ')} where k0 = ${row.k0}${keys === 2 ? ` and k1 = ${row.k1}` : ''}`,
        )
    }
  statements.push('commit')
  statements.push(
    `create view lethe.people as select k0 as id, payload as address, true as active from ${schema}.t0`,
  )
  await sql.raw(statements.join(';\n')).execute(db)
}

function insert(table: string, row: Record<string, unknown>): string {
  const values = Object.values(row).map((value) =>
    typeof value === 'string' ? `'${value}'` : String(value),
  )
  return `insert into ${table} (${Object.keys(row).join(', ')}) values (${values.join(', ')})`
}

/** As the database holds it. Keys begin at one; the second column of a key is ten times the first. */
export function rowOf(
  world: MadeWorld,
  table: number,
  place: number,
  cleared: number[],
  payload: string,
): Record<string, unknown> {
  const { keys, links } = world.tables[table] as MadeTable
  const row: Record<string, unknown> = { k0: place + 1 }
  if (keys === 2) row.k1 = (place + 1) * 10
  for (const [n, { declared }] of links.entries()) {
    const to = world.rows[table]?.[place]?.[n] ?? null
    for (const [part, column] of columnsOf(world, table, n).entries())
      row[column] = to === null || cleared.includes(n) ? null : (to + 1) * 10 ** part
    if (declared) row[`kind${n}`] = kindOf(place)
  }
  return { ...row, payload }
}

/** Every third row of a declared link is none of those that it speaks of. */
export const kindOf = (place: number) => (place % 3 === 2 ? 'no' : 'yes')
