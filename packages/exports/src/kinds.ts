import { type Column, exportedTables, type Plan, personRows } from '@lethe/erasure'
import type { RawBuilder } from 'kysely'
import { type ValueKind, valueKind } from './values.ts'

/** One kind of data: a table in the archive, once as JSON and once as CSV. */
export interface Kind {
  name: string
  /** What a row of it is. */
  is: string
  columns: KindColumn[]
  /** The rows, in their order, of whoever has this number, an expression. */
  rows(person: RawBuilder<unknown>): RawBuilder<unknown>
}

export interface KindColumn {
  name: string
  is: string
  kind: ValueKind
  notNull: boolean
}

/** What is handed over is what the data map says, and nothing else. */
export function kindsOf(plan: Plan): Kind[] {
  return exportedTables(plan).map(({ table, name, is, columns }) => ({
    name,
    is,
    columns: columns.map(({ name, is, column }) => ({ name, is, ...factsOf(column) })),
    rows: (person) =>
      personRows(
        plan,
        table,
        person,
        columns.map(({ column }) => column.name),
      ),
  }))
}

function factsOf({ type, notNull }: Column): { kind: ValueKind; notNull: boolean } {
  return { kind: valueKind(type), notNull }
}
