import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { testDb } from '../testing/index.ts'

t.test('the table interfaces name every column of the live schema, and no other', async (t) => {
  const { db } = await testDb(t)
  const { rows } = await sql<{ table: string; columns: string[] }>`
    select case table_schema when 'public' then '' else table_schema || '.' end || table_name as table,
      array_agg(column_name::text order by ordinal_position) as columns
    from information_schema.columns
    where table_schema in ('public', 'vault') and table_name not like 'kysely_%' group by 1`.execute(
    db,
  )
  const live = Object.fromEntries(rows.map(({ table, columns }) => [table, byName(columns)]))
  t.strictSame(await readDeclaredColumns(), live)
})

/** Reads the interfaces as text, because types do not exist at run time. */
async function readDeclaredColumns(): Promise<Record<string, string[]>> {
  const source = await readFile(path.join(import.meta.dirname, '../src/schema.ts'), 'utf8')
  const [, body = ''] = source.split('export interface Schema {\n')
  const leased = columnsOf(/interface Leased \{\n(.*?)\n\}/s.exec(source)?.[1] ?? '', '  ')
  const tables = body.matchAll(/^ {2}'?([\w.]+)'?: (Leased & )?\{\n(.*?)\n {2}\}/gms)
  return Object.fromEntries(
    Array.from(tables, ([, table, isLeased, columns = '']) => [
      table,
      byName([...columnsOf(columns, '    '), ...(isLeased ? leased : [])]),
    ]),
  )
}

function columnsOf(text: string, indent: string): string[] {
  return Array.from(text.matchAll(new RegExp(`^${indent}(\\w+):`, 'gm')), ([, name = '']) => name)
}

function byName(names: string[]): string[] {
  return names.toSorted((a, b) => a.localeCompare(b))
}
