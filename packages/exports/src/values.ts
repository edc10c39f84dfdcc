/** How the values of a column are written: by what PostgreSQL calls its type. */
export type ValueKind = 'number' | 'boolean' | 'time' | 'json' | 'text'

export function valueKind(type: string): ValueKind {
  if (/^(smallint|integer|bigint|real|double precision|numeric(\(.*\))?)$/.test(type))
    return 'number'
  if (type === 'boolean') return 'boolean'
  if (/^timestamp(\(\d\))? with time zone$/.test(type)) return 'time'
  return /^jsonb?$/.test(type) ? 'json' : 'text'
}

/** RFC 3339 in UTC, from what a connection in UTC says: `2026-01-31 12:00:00.5+00`. Not every time is one (`infinity`). */
export function timeText(text: string): string {
  return /^\d{4}-/.test(text) && text.endsWith('+00')
    ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z`
    : text
}
