import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import { partitions, rowSecurity, rowTriggers, rules } from './row-guards.ts'
import type { Column, Fence, Table } from './table.ts'

/** The facts of the live database on which a plan depends. */
export interface Catalog {
  tables: Map<string, Table>
  foreignKeys: ForeignKey[]
  /** The current role, quoted for SQL. */
  role: string
}

export type DeleteRule = 'cascade' | 'set null' | 'set default' | 'restrict' | 'no action'

export interface ForeignKey {
  name: string
  table: string
  columns: string[]
  target: string
  targetColumns: string[]
  onDelete: DeleteRule
  deferrable: boolean
}

/** Reads the catalog in one statement, and so in one snapshot. Partitions belong to their parent table. */
export async function readCatalog(db: Db): Promise<Catalog> {
  const { rows } = await sql<{
    tables: FoundTable[] | null
    foreignKeys: ForeignKey[] | null
    role: string
  }>`
    with recursive base_types (domain, type) as (
      select oid, typbasetype from pg_type where typtype = 'd'
      union select domain, typbasetype from base_types join pg_type on pg_type.oid = type and typtype = 'd'
    )
    select (select json_agg(t) from (${tables}) t) as tables,
      (select json_agg(f) from (${foreignKeys}) f) as "foreignKeys", quote_ident(current_user) as role`.execute(
    db,
  )
  const [found] = rows
  return {
    tables: new Map((found?.tables ?? []).map((table) => [table.name, tableOf(table)])),
    foreignKeys: found?.foreignKeys ?? [],
    role: found?.role ?? '',
  }
}

interface FoundTable extends Omit<Table, 'columns' | 'fences'> {
  columns: Column[] | null
  fences: (Omit<Fence, 'args'> & { args: string })[]
}

function tableOf({ columns, fences, ...table }: FoundTable): Table {
  return {
    ...table,
    columns: new Map((columns ?? []).map((column) => [column.name, column])),
    fences: fences.map(({ args, ...fence }) => ({ ...fence, args: argsOf(args) })),
  }
}

/** PostgreSQL terminates each argument of a trigger with a NUL. */
function argsOf(hex: string): string[] {
  return Buffer.from(hex, 'hex').toString().split('\0').slice(0, -1)
}

/** Quotes a part that contains a dot or a quote, so that no two tables get the same name. */
const partOf = (name: string) =>
  `case when ${name} ~ '[."]' then '"' || replace(${name}, '"', '""') || '"' else ${name}::text end`

const nameOf = (oid: string) =>
  sql.raw(`(select case nspname when 'public' then '' else ${partOf('nspname')} || '.' end || ${partOf('relname')}
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = ${oid})`)

const columnsOf = (relation: string, numbers: string) =>
  sql.raw(`(select json_agg(attname order by place) from unnest(${numbers}) with ordinality as key (number, place)
    join pg_attribute on attrelid = ${relation} and attnum = number)`)

// Fences are recognized by catalog columns, because the text of a trigger varies with search_path, name and version.
// A write to a partition runs the triggers of the partition, so a fence must not be disabled on any of them.
const fences = sql`
  select case tgtype & 2 when 2 then 'before' else 'after' end as timing,
    encode(tgargs, 'hex') as args
  from pg_trigger f
  -- For each row, of an insert and of an update (1 + 4 + 16), before or after it; no WHEN condition, no column list.
  where tgrelid = c.oid and tgtype in (21, 23) and tgqual is null and cardinality(tgattr::int2[]) = 0
    and tgfoid = to_regprocedure('lethe.refuse_late_row()')
    and not exists (select from pg_trigger part where part.tgrelid in ${partitions} and part.tgname = f.tgname
      and part.tgenabled not in ('O', 'A'))`

const tables = sql`
    select ${nameOf('c.oid')} as name, nspname as schema, relname as relation, format('%I.%I', nspname, relname) as quoted,
      c.relkind = 'p' as partitioned, nullif(c.reltuples, -1)::float8 as about,
      (select json_agg(json_build_object('name', attname, 'quoted', quote_ident(attname), 'notNull', attnotnull,
          'typeOid', coalesce((select type from base_types join pg_type on pg_type.oid = type
            where domain = atttypid and typtype <> 'd'), atttypid)::bigint,
          'type', format_type(atttypid, atttypmod),
          'generated', attgenerated <> '' or attidentity <> '',
          'computed', case attgenerated when 's' then 'stored' when 'v' then 'virtual' end) order by attnum)
        from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      coalesce((select json_agg(${columnsOf('indrelid', '(indkey::int2[])[0:indnkeyatts - 1]')}) from pg_index
        join pg_class as i on i.oid = indexrelid join pg_am on pg_am.oid = i.relam
        where indrelid = c.oid and indisvalid and indpred is null and indexprs is null and amname in ('btree', 'hash')), '[]') as indexes,
      coalesce((select json_agg(${columnsOf('indrelid', '(indkey::int2[])[0:indnkeyatts - 1]')} order by not indisprimary, indexrelid)
        from pg_index where indrelid = c.oid and indisunique and indisvalid and indpred is null and indexprs is null), '[]') as "uniqueKeys",
      coalesce((select json_agg(fence) from (${fences}) fence), '[]') as fences,
      coalesce((select json_agg(t) from (${rowTriggers} order by 1) t), '[]') as "rowTriggers",
      coalesce((select json_agg(name order by name) from (${rules}) r), '[]') as rules,
      ${rowSecurity} as "rowSecurity", pg_has_role(c.relowner, 'USAGE') as owned
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    order by 1`

const foreignKeys = sql`
    select conname as name, ${nameOf('conrelid')} as table, ${columnsOf('conrelid', 'conkey')} as columns,
      ${nameOf('confrelid')} as target, ${columnsOf('confrelid', 'confkey')} as "targetColumns",
      case confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default'
        when 'r' then 'restrict' else 'no action' end as "onDelete",
      condeferrable as deferrable
    from pg_constraint join pg_class c on c.oid = conrelid
    where contype = 'f' and conparentid = 0 and not c.relispartition
    order by 2, 1`

export function isUnique({ uniqueKeys }: Table, columns: string[]): boolean {
  return uniqueKeys.some(
    (key) => key.length === columns.length && columns.every((one) => key.includes(one)),
  )
}
