/** How the values of a column are written. */
export type ValueKind = 'number' | 'boolean' | 'time' | 'json' | 'text'

/** Keyed by the oids of built-in types, which never change. The name of a type depends on the `search_path`. */
const kindsByOid = new Map<number, ValueKind>([
  [20, 'number'], // bigint
  [21, 'number'], // smallint
  [23, 'number'], // integer
  [700, 'number'], // real
  [701, 'number'], // double precision
  [1700, 'number'], // numeric
  [16, 'boolean'],
  [1184, 'time'], // timestamp with time zone
  [114, 'json'],
  [3802, 'json'], // jsonb
])

export function valueKind(typeOid: number): ValueKind {
  return kindsByOid.get(typeOid) ?? 'text'
}

/** A column of a dataset, with its name in an archive. */
export interface DatasetColumn {
  name: string
  description: string
  kind: ValueKind
  notNull: boolean
}
