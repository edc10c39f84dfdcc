import type { KindColumn, ValueKind } from './values.ts'

const types: Record<ValueKind, object> = {
  // `NaN` and `Infinity`, which some columns can hold, are no numbers of JSON.
  number: { type: ['number', 'string'] },
  boolean: { type: 'boolean' },
  time: { type: 'string', format: 'date-time' },
  json: {},
  text: { type: 'string' },
}

/** What each row of a kind is, for a program (JSON Schema 2020-12). */
export function jsonSchema(name: string, is: string, columns: KindColumn[]): Buffer {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: name,
    description: is,
    type: 'object',
    properties: Object.fromEntries(columns.map((column) => [column.name, propertyOf(column)])),
    required: columns.map((column) => column.name),
    additionalProperties: false,
  }
  return Buffer.from(`${JSON.stringify(schema, null, 2)}\n`)
}

function propertyOf({ is, kind, notNull }: KindColumn): object {
  const type = types[kind]
  return { description: is, ...(notNull ? type : { anyOf: [type, { type: 'null' }] }) }
}
