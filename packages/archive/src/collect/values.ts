/** How the values of a column are written. */
export type ValueKind = 'number' | 'boolean' | 'time' | 'json' | 'text'

/** By the oids of PostgreSQL's own types, which never change: what it calls a type depends on the `search_path`. */
const kinds = new Map<number, ValueKind>([
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
  return kinds.get(typeOid) ?? 'text'
}

/** A column of a kind of data, as it is called in an archive. */
export interface KindColumn {
  name: string
  is: string
  kind: ValueKind
  notNull: boolean
}
