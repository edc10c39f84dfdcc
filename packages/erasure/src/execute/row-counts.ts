import type { Counts } from '@lethe/db'
import { type RawBuilder, sql } from 'kysely'

/** One table has more rows than one transaction may erase. The caller must roll back. */
export class TooManyRowsError extends Error {
  override name = 'TooManyRowsError'
}

/** All rows of one table as one result row: reading hundreds of result rows would take longer than deleting the rows. */
export interface RowsByPerson {
  name: string
  /** The owner of each row. */
  people: number[]
  /** The size of the file that each row names, by the same index; empty if the table names no files. */
  bytes: (number | null)[]
}

/**
 * The columns of a `RowsByPerson`, from rows with a `person` and, if they name a file, `bytes`. This process counts them,
 * because that takes half as long as counting in the database.
 */
export function rowsByPerson(namesFiles: boolean): RawBuilder<unknown> {
  const bytes = namesFiles ? sql`coalesce(json_agg(bytes), '[]')` : sql`'[]'::json`
  return sql`coalesce(json_agg(person), '[]') as people, ${bytes} as bytes`
}

/** Counts files by the rows that named them: the files themselves are already removed, perhaps by an earlier attempt. */
export function addCounts(
  counts: Map<number, Counts>,
  { name, people, bytes }: RowsByPerson,
): void {
  for (const [index, person] of people.entries()) {
    const counted = counts.get(person)
    if (!counted) continue
    counted.tables[name] = (counted.tables[name] ?? 0) + 1
    const size = bytes[index] ?? null
    if (size === null) continue
    counted.files += 1
    counted.bytes += size
  }
}
