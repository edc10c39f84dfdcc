import type { Counts } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

/** Of one table there are more rows than may go at once: the transaction is to be rolled back. */
export class TooManyRowsError extends Error {
  override name = 'TooManyRowsError'
}

/** Rows of one table, in one line: hundreds of lines would take longer to read than the rows to go. */
export interface RowsByPerson {
  name: string
  /** Whose each row is. */
  people: number[]
  /** The size of the file that each row names, at the same place; none where the table names no files. */
  bytes: (number | null)[]
}

/**
 * What such a line tells of rows that have a `person` each, and `bytes` where they name a file. They are counted here and not
 * by the database: that takes half as long.
 */
export function rowsByPerson(namesFiles: boolean): RawBuilder<unknown> {
  const bytes = namesFiles ? sql`coalesce(json_agg(bytes), '[]')` : sql`'[]'::json`
  return sql`coalesce(json_agg(person), '[]') as people, ${bytes} as bytes`
}

/**
 * Files are counted by the rows that named them, since they themselves are gone by now, perhaps since an earlier try.
 */
export function addCounts(
  counts: Map<number, Counts>,
  { name, people, bytes }: RowsByPerson,
): void {
  for (const [place, person] of people.entries()) {
    const counted = counts.get(person)
    if (!counted) continue
    counted.tables[name] = (counted.tables[name] ?? 0) + 1
    const size = bytes[place] ?? null
    if (size === null) continue
    counted.files += 1
    counted.bytes += size
  }
}
