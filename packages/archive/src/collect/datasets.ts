import {
  type Column,
  type ExportedTable,
  exportedTables,
  type Plan,
  personRows,
} from '@lethe/erasure'
import type { RawBuilder } from 'kysely'
import { type DeflatedContent, deflateSmall } from '../zip/deflate.ts'
import { createJsonSchema } from './json-schema.ts'
import { type DatasetColumn, type ValueKind, valueKind } from './values.ts'

/** One table of the archive, written once as JSON and once as CSV. */
export interface Dataset {
  name: string
  /** What a row of it is. */
  description: string
  columns: DatasetColumn[]
  /** The JSON Schema of a row, for programs. */
  schema: DeflatedContent
  /** The rows, in order, of the person whose key this expression yields. */
  rows(person: RawBuilder<unknown>): RawBuilder<unknown>
}

const datasetsByPlan = new WeakMap<Plan, Dataset[]>()

/** The datasets of an export: exactly those of the data map. */
export function getDatasets(plan: Plan): Dataset[] {
  const datasets =
    datasetsByPlan.get(plan) ??
    exportedTables(plan).map((exported) => createDataset(plan, exported))
  datasetsByPlan.set(plan, datasets)
  return datasets
}

function createDataset(
  plan: Plan,
  { table, name, description, columns: exported }: ExportedTable,
): Dataset {
  const columns = exported.map(({ name, description, column }) => ({
    name,
    description,
    ...describeColumn(column),
  }))
  const selected = exported.map(({ column }) => column.name)
  return {
    ...{ name, description, columns },
    schema: deflateSmall(createJsonSchema(name, description, columns)),
    rows: (person) => personRows(plan, table, person, selected),
  }
}

function describeColumn({ typeOid, notNull }: Column): { kind: ValueKind; notNull: boolean } {
  return { kind: valueKind(typeOid), notNull }
}
