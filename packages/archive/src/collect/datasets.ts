import {
  type Column,
  type ExportedTable,
  exportedTables,
  type Plan,
  personRows,
} from '@lethe/erasure'
import type { RawBuilder } from 'kysely'
import { deflateSmall, type Small } from '../zip/deflate.ts'
import { jsonSchema } from './json-schema.ts'
import { type KindColumn, type ValueKind, valueKind } from './values.ts'

/** One kind of data: a table in the archive, once as JSON and once as CSV. */
export interface Dataset {
  name: string
  /** What a row of it is. */
  is: string
  columns: KindColumn[]
  /** What each row of it is, for a program. */
  schema: Small
  /** The rows, in their order, of whoever has this number, an expression. */
  rows(person: RawBuilder<unknown>): RawBuilder<unknown>
}

const known = new WeakMap<Plan, Dataset[]>()

/** What is handed over is what the data map says, and nothing else. */
export function datasetsOf(plan: Plan): Dataset[] {
  const kinds = known.get(plan) ?? exportedTables(plan).map((exported) => datasetOf(plan, exported))
  known.set(plan, kinds)
  return kinds
}

function datasetOf(plan: Plan, { table, name, is, columns: exported }: ExportedTable): Dataset {
  const columns = exported.map(({ name, is, column }) => ({ name, is, ...factsOf(column) }))
  const selected = exported.map(({ column }) => column.name)
  return {
    ...{ name, is, columns },
    schema: deflateSmall(jsonSchema(name, is, columns)),
    rows: (person) => personRows(plan, table, person, selected),
  }
}

function factsOf({ typeOid, notNull }: Column): { kind: ValueKind; notNull: boolean } {
  return { kind: valueKind(typeOid), notNull }
}
