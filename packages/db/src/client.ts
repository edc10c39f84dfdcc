import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { type ConnectOptions, openPool } from './pool.ts'
import type { Schema } from './schema.ts'

export type Db = Kysely<Schema>
/** In a signature it says: the caller must be in a transaction. */
export type Tx = Transaction<Schema>

/** `bigint` is read as a number: ids and counts stay below 2^53 (a check constraint holds ids to it). */
export function connect(connectionString: string, options: ConnectOptions = {}): Db {
  const pool = openPool(connectionString, { ...options, types: { getTypeParser: parserOf } })
  // Names that the query builder writes are qualified by it; those in SQL text carry their schema themselves.
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) }).withSchema('public')
}

function parserOf(oid: number, format?: 'text' | 'binary') {
  return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
}
