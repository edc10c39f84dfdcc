import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { type ConnectOptions, openPool } from './pool.ts'
import type { Schema } from './schema.ts'

export type Db = Kysely<Schema>
/** A parameter of this type means that the caller must be in a transaction. */
export type Tx = Transaction<Schema>

/** Reads `bigint` as a number. A check constraint keeps ids below 2^53; counts stay below it too. */
export function connect(connectionString: string, options: ConnectOptions = {}): Db {
  const pool = openPool(connectionString, { ...options, types: { getTypeParser: parserOf } })
  // This qualifies the names that the query builder writes. Names in raw SQL carry their schema themselves.
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) }).withSchema('public')
}

function parserOf(oid: number, format?: 'text' | 'binary') {
  return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
}
