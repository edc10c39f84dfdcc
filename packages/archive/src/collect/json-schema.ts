import type { DatasetColumn, ValueKind } from './values.ts'

const types: Record<ValueKind, object> = {
  // Some columns can contain `NaN` and `Infinity`, which JSON has no numbers for.
  number: { type: ['number', 'string'] },
  boolean: { type: 'boolean' },
  time: { type: 'string', format: 'date-time' },
  json: {},
  text: { type: 'string' },
}

/** Describes a row of a dataset to programs (JSON Schema 2020-12). */
export function createJsonSchema(
  name: string,
  description: string,
  columns: DatasetColumn[],
): Buffer {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: name,
    description,
    type: 'object',
    properties: Object.fromEntries(
      columns.map((column) => [column.name, describeProperty(column)]),
    ),
    required: columns.map((column) => column.name),
    additionalProperties: false,
  }
  return Buffer.from(`${JSON.stringify(schema, null, 2)}\n`)
}

function describeProperty({ description, kind, notNull }: DatasetColumn): object {
  const type = types[kind]
  return { description, ...(notNull ? type : { anyOf: [type, { type: 'null' }] }) }
}
