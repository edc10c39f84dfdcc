import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { MadeTable, MadeWorld } from './made-world.ts'
import { columnOf, quoted, quotedTable, relationOf, schemaOf } from './odd-names.ts'
import { columnsOf, tablesLosingRows } from './random-schema.ts'

/** Creates the schema of this world, its rows, and the view `lethe.people`. */
export async function makeWorld(db: Db, world: MadeWorld, schema: string): Promise<void> {
  const lost = tablesLosingRows(world)
  const within = quoted(schemaOf(world, schema))
  const nameOf = (table: number) => quotedTable(world, schema, table)
  const column = (plain: string) => quoted(columnOf(world, plain))
  const columns = (plain: string[]) => plain.map(column).join(', ')
  const statements = [
    `create schema ${within}`,
    `create type ${within}.mood as enum ('payload', 'gone')`,
    `create domain ${within}.word as varchar(5) check (value in ('yes', 'no'))`,
  ]
  const typeOf = (type: string) => (['mood', 'word'].includes(type) ? `${within}.${type}` : type)
  for (const [table, made] of world.tables.entries()) {
    const { keys, links, partitioned, payloadType, uniqueOnly } = made
    const own = keyOf(keys)
    const all = own.map((name) => `${column(name)} bigint not null`)
    for (const [n, { declared, kindType }] of links.entries()) {
      all.push(...columnsOf(world, table, n).map((name) => `${column(name)} bigint`))
      if (declared) all.push(`${column(`kind${n}`)} ${typeOf(kindType)} not null`)
    }
    const payload = column('payload')
    all.push(`${payload} ${typeOf(payloadType)} check (${payload} in ('payload', 'gone'))`)
    all.push(`${uniqueOnly ? 'unique' : 'primary key'} (${columns(own)})`)
    const end = partitioned ? `partition by hash (${column('k0')})` : ''
    statements.push(`create table ${nameOf(table)} (${all.join(', ')}) ${end}`)
    if (partitioned)
      for (const part of [0, 1])
        statements.push(
          `create table ${within}.${quoted(`${relationOf(world, table)}_${part}`)} partition of ${nameOf(table)}
            for values with (modulus 2, remainder ${part})`,
        )
  }
  for (const [table, { links }] of world.tables.entries())
    for (const [n, { target, rule, declared, deferred }] of links.entries()) {
      const own = columns(columnsOf(world, table, n))
      statements.push(`create index on ${nameOf(table)} (${own})`)
      if (declared) continue
      const stays = !lost.has(target)
      const onDelete = rule === 'delete' ? 'on delete cascade' : 'on delete set null'
      const action = stays ? '' : deferred ? 'deferrable' : onDelete
      const key = columns(keyOf((world.tables[target] as MadeTable).keys))
      statements.push(
        `alter table ${nameOf(table)} add foreign key (${own}) references ${nameOf(target)} (${key}) ${action}`,
      )
    }
  statements.push('begin')
  // Insert all rows without references first, since any row can reference any other.
  for (const [table, { links }] of world.tables.entries())
    for (const place of (world.rows[table] ?? []).keys()) {
      const none = links.map((_, n) => n)
      const row = rowOf(world, table, place, none, 'payload')
      statements.push(
        `insert into ${nameOf(table)} (${columns(Object.keys(row))}) values (${Object.values(row).map(literal).join(', ')})`,
      )
    }
  for (const [table, { keys, links }] of world.tables.entries())
    for (const place of (world.rows[table] ?? []).keys()) {
      const row = rowOf(world, table, place, [], 'payload')
      const set = links
        .flatMap((_, n) => columnsOf(world, table, n))
        .map((name) => `${column(name)} = ${row[name]}`)
      const its = keyOf(keys).map((name) => `${column(name)} = ${row[name]}`)
      if (set.length > 0)
        statements.push(`update ${nameOf(table)} set ${set.join(', ')} where ${its.join(' and ')}`)
    }
  statements.push('commit')
  if (world.trigger) statements.push(...triggerStatements(world.trigger, nameOf, within))
  statements.push(
    `create view lethe.people as select ${column('k0')} as id, ${column('payload')} as address, true as active from ${nameOf(0)}`,
  )
  await sql.raw(statements.join(';\n')).execute(db)
}

/** A trigger that keeps each row, or lets the change through and copies the row to a table that is not in the map. */
function triggerStatements(
  { table, does }: NonNullable<MadeWorld['trigger']>,
  nameOf: (table: number) => string,
  within: string,
): string[] {
  const copy = `insert into ${within}.copies values (to_jsonb(old));
    if tg_op = 'DELETE' then return old; end if; return new;`
  return [
    `create table ${within}.copies (of jsonb)`,
    `create function ${within}.meddle() returns trigger language plpgsql as
      $$ begin ${does === 'keep' ? 'return null;' : copy} end $$`,
    `create trigger meddles before delete or update on ${nameOf(table)} for each row execute function ${within}.meddle()`,
  ]
}

/** The rows of one table of this world, with the plain names of its columns. */
export async function rowsIn(
  db: Db,
  world: MadeWorld,
  schema: string,
  table: number,
): Promise<Record<string, unknown>[]> {
  const { keys, links } = world.tables[table] as MadeTable
  const names = [
    ...keyOf(keys),
    ...links.flatMap((_, n) => columnsOf(world, table, n)),
    ...links.flatMap(({ declared }, n) => (declared ? [`kind${n}`] : [])),
    'payload',
  ]
  const columns = names.map((name) => sql`${sql.id(columnOf(world, name))} as ${sql.id(name)}`)
  const { rows } = await sql<Record<string, unknown>>`
    select ${sql.join(columns)} from ${sql.id(schemaOf(world, schema), relationOf(world, table))} order by 1`.execute(
    db,
  )
  return rows
}

const keyOf = (keys: 1 | 2) => (keys === 2 ? ['k0', 'k1'] : ['k0'])

const literal = (value: unknown) => (typeof value === 'string' ? `'${value}'` : String(value))

/** A row as the database has it. Keys start at 1; the second column of a key is ten times the first. */
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

/** The kind of every third row does not match the declared link's `where`. */
export const kindOf = (place: number) => (place % 3 === 2 ? 'no' : 'yes')
