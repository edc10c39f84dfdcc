import type { Counts, Db, Tx } from '@lethe/db'
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

/**
 * Deletes all rows of these people, table by table, and tells what each of them had. Files are counted by their rows:
 * they themselves are gone by now, perhaps since an earlier try.
 */
export async function eraseRows(tx: Tx, userIds: number[]): Promise<Map<number, Counts>> {
  const none = () => Object.fromEntries(dataMap.map(({ table }) => [table, 0]))
  const counts = new Map<number, Counts>(
    userIds.map((id) => [id, { tables: none(), files: 0, bytes: 0 }]),
  )
  for (const { userId, ...files } of await namedFiles(tx, userIds))
    Object.assign(counts.get(userId) ?? {}, files)
  for (const { table, column } of dataMap) {
    const { rows } = await sql<{ userId: number; rows: number }>`
      with erased as (
        delete from ${sql.table(table)} where ${sql.ref(column)} = any(${userIds}) returning ${sql.ref(column)} as id
      )
      select id as "userId", count(*) as rows from erased group by id`.execute(tx)
    for (const { userId, rows: erased } of rows) {
      const person = counts.get(userId)
      if (person) person.tables[table] = erased
    }
  }
  return counts
}

async function namedFiles(tx: Tx, userIds: number[]) {
  const { rows } = await sql<{ userId: number; files: number; bytes: number }>`
    select user_id as "userId", count(*) as files, sum(bytes) as bytes from avatars
    where user_id = any(${userIds}) group by user_id`.execute(tx)
  return rows
}

function unionAll(queries: RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(queries, sql` union all `)
}
