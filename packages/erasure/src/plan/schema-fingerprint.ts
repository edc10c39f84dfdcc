import type { Db, Tx } from '@lethe/db'
import { sql } from 'kysely'

/**
 * A number that changes with the schema: each schema change writes or deletes a row version (xmin) in one of these catalogs.
 * This is far quicker than reading the whole catalog. Oids below 16384 are PostgreSQL's own.
 */
export async function schemaFingerprint(db: Db | Tx): Promise<string> {
  const { rows } = await sql<{ print: string }>`
    select coalesce(sum(hash_record_extended(row(oid, part, xmin), 0)), 0)::text as print from (
      select oid, 0 as part, xmin from pg_class where oid >= 16384
      union all select attrelid, attnum, xmin from pg_attribute where attrelid >= 16384
      union all select oid, 0, xmin from pg_constraint where oid >= 16384
      union all select indexrelid, 0, xmin from pg_index where indexrelid >= 16384
      union all select oid, 0, xmin from pg_trigger where oid >= 16384
      union all select oid, 0, xmin from pg_rewrite where oid >= 16384
      union all select oid, 0, xmin from pg_namespace where oid >= 16384
    ) as versions`.execute(db)
  return rows[0]?.print ?? ''
}
