import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { ok, wrong } from './finding.ts'

/**
 * Erasing a user searches every table that references users, directly or through rows that are deleted with them. For a
 * foreign key without an index, each of these searches reads the whole table.
 */
export async function checkForeignKeys({ db }: { db: Db }) {
  const keys = await unindexedKeys(db)
  if (keys.length === 0) return [ok('every foreign key that leads to users has an index')]
  return keys.map(({ table, columns }) =>
    wrong(
      `${table} (${columns}) leads to users and has no index: each erasure reads the whole table`,
      `psql "$DATABASE_URL" -c 'create index concurrently on ${table} (${columns})'`,
    ),
  )
}

/**
 * An index is usable if its first columns are those of the key in any order, it covers every row, and it supports
 * equality. For a partitioned table the search runs on the partitions.
 */
async function unindexedKeys(db: Db): Promise<{ table: string; columns: string }[]> {
  const { rows } = await sql<{ table: string; columns: string }>`
    with recursive erased (id) as (
      select to_regclass('public.users')::oid
      union
      select conrelid from pg_constraint, erased where contype = 'f' and confrelid = id and confdeltype = 'c'
    )
    select distinct
      format('%I.%I', nspname, relname) as table,
      (select string_agg(format('%I', attname), ', ' order by place)
         from unnest(conkey) with ordinality as key (number, place)
         join pg_attribute on attrelid = conrelid and attnum = number) as columns
    from pg_constraint
    join pg_class on pg_class.oid = conrelid
    join pg_namespace on pg_namespace.oid = relnamespace
    where contype = 'f' and confrelid in (select id from erased) and relkind <> 'p'
      and not exists (
        select from pg_index
        join pg_class as index on index.oid = indexrelid
        join pg_am on pg_am.oid = index.relam
        cross join lateral (select (indkey::int2[])[0:cardinality(conkey) - 1] as first) as columns
        where indrelid = conrelid and indisvalid and indpred is null and amname in ('btree', 'hash')
          and indnkeyatts >= cardinality(conkey) and first @> conkey and first <@ conkey
      )
    order by 1, 2
  `.execute(db)
  return rows
}
