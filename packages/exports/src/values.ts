/** How the values of a column are written: by what PostgreSQL calls its type. */
export type ValueKind = 'number' | 'boolean' | 'time' | 'json' | 'text'

export function valueKind(type: string): ValueKind {
  if (/^(smallint|integer|bigint|real|double precision|numeric(\(.*\))?)$/.test(type))
    return 'number'
  if (type === 'boolean') return 'boolean'
  if (/^timestamp(\(\d\))? with time zone$/.test(type)) return 'time'
  return /^jsonb?$/.test(type) ? 'json' : 'text'
}

/** A column of a kind of data, as it is called in an archive. */
export interface KindColumn {
  name: string
  is: string
  kind: ValueKind
  notNull: boolean
}
