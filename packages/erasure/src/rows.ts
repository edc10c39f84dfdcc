import type { Db, Tx } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'
import { dataMap } from './data-map.ts'

type RowCounts = Record<string, number>

/** How many rows of each table are this person's: what an erasure would delete. */
export async function countRows(db: Db, userId: number): Promise<RowCounts> {
  const counts = dataMap.map(
    ({ table, column }) =>
      sql`select ${sql.lit(table)} as name, count(*) as rows from ${sql.table(table)} where ${sql.ref(column)} = ${userId}`,
  )
  const { rows } = await sql<{ name: string; rows: number }>`${unionAll(counts)}`.execute(db)
  return Object.fromEntries(rows.map(({ name, rows }) => [name, rows]))
}

/** Deletes all rows of these people, table by table, and tells how many each of them had. */
export async function eraseRows(tx: Tx, userIds: number[]): Promise<Map<number, RowCounts>> {
  const counts = new Map(
    userIds.map((id) => [id, Object.fromEntries(dataMap.map(({ table }) => [table, 0]))]),
  )
  for (const { table, column } of dataMap) {
    const { rows } = await sql<{ userId: number; rows: number }>`
      with erased as (
        delete from ${sql.table(table)} where ${sql.ref(column)} = any(${userIds}) returning ${sql.ref(column)} as id
      )
      select id as "userId", count(*) as rows from erased group by id`.execute(tx)
    for (const { userId, rows: erased } of rows) {
      const person = counts.get(userId)
      if (person) person[table] = erased
    }
  }
  return counts
}

function unionAll(queries: RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(queries, sql` union all `)
}
