import type { Db } from '@lethe/db'
import { sql } from 'kysely'

/** What the live database says of its tables, as far as a plan depends on it. */
export interface Catalogue {
  tables: Map<string, Table>
  foreignKeys: ForeignKey[]
}

export interface Table {
  /** With its schema, unless that is `public`. */
  name: string
  columns: Map<string, Column>
  /** Its rows lie in partitions, so that their place alone does not name them. */
  partitioned: boolean
  /** About how many rows it has; null before its first ANALYZE. */
  about: number | null
  /** The first columns of each index that can be searched for equal values and holds every row. */
  indexes: string[][]
  /** The primary key first. */
  uniqueKeys: string[][]
  /** The triggers that keep late rows out, as the database would write them. */
  fences: string[]
}

export interface Column {
  name: string
  /** Of a domain, what it stands for. */
  type: string
  notNull: boolean
  /** Computed or numbered by the database: nobody else can set it. */
  generated: boolean
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

/** Reads it whole, by one statement of one snapshot; partitions are part of the table that they belong to. */
export async function readCatalogue(db: Db): Promise<Catalogue> {
  const { rows } = await sql<{
    tables: (Omit<Table, 'columns'> & { columns: Column[] | null })[] | null
    foreignKeys: ForeignKey[] | null
  }>`
    select (select json_agg(t) from (${tables}) t) as tables,
      (select json_agg(f) from (${foreignKeys}) f) as "foreignKeys"`.execute(db)
  const [found] = rows
  return {
    tables: new Map(
      (found?.tables ?? []).map(({ columns, ...table }) => [
        table.name,
        { ...table, columns: new Map((columns ?? []).map((column) => [column.name, column])) },
      ]),
    ),
    foreignKeys: found?.foreignKeys ?? [],
  }
}

const nameOf = (oid: string) =>
  sql.raw(`(select case nspname when 'public' then '' else nspname || '.' end || relname
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = ${oid})`)

const columnsOf = (relation: string, numbers: string) =>
  sql.raw(`(select json_agg(attname order by place) from unnest(${numbers}) with ordinality as key (number, place)
    join pg_attribute on attrelid = ${relation} and attnum = number)`)

const tables = sql`
    select ${nameOf('c.oid')} as name,
      c.relkind = 'p' as partitioned, nullif(c.reltuples, -1)::float8 as about,
      (select json_agg(json_build_object('name', attname, 'type', (select format_type(case typtype when 'd' then typbasetype else atttypid end,
            case typtype when 'd' then typtypmod else atttypmod end) from pg_type where pg_type.oid = atttypid),
          'notNull', attnotnull, 'generated', attgenerated <> '' or attidentity <> '') order by attnum)
        from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      coalesce((select json_agg(${columnsOf('indrelid', '(indkey::int2[])[0:indnkeyatts - 1]')}) from pg_index
        join pg_class as i on i.oid = indexrelid join pg_am on pg_am.oid = i.relam
        where indrelid = c.oid and indisvalid and indpred is null and indexprs is null and amname in ('btree', 'hash')), '[]') as indexes,
      coalesce((select json_agg(${columnsOf('indrelid', '(indkey::int2[])[0:indnkeyatts - 1]')} order by not indisprimary, indexrelid)
        from pg_index where indrelid = c.oid and indisunique and indisvalid and indpred is null and indexprs is null), '[]') as "uniqueKeys",
      -- Before each row, of an insert and of an update (1 + 2 + 4 + 16).
      coalesce((select json_agg(pg_get_triggerdef(pg_trigger.oid)) from pg_trigger
        where tgrelid = c.oid and tgenabled in ('O', 'A') and tgtype & 23 = 23
          and tgfoid = to_regproc('lethe.refuse_row')), '[]') as fences
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
