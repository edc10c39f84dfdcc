import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** Returns seconds since 1970 on the database's clock, which all instances share. */
export async function readDatabaseTime(db: Db): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select floor(extract(epoch from now()))::bigint as seconds`.execute(db)
  return rows[0]?.seconds ?? 0
}
