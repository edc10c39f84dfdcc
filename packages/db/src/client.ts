import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { endOnSilence } from './end-on-silence.ts'
import type { Schema } from './schema.ts'

export type Db = Kysely<Schema>
/** In a signature it says: the caller must be in a transaction. */
export type Tx = Transaction<Schema>

export interface ConnectOptions {
  /** Connections at most. */
  max?: number
  /**
   * Milliseconds for which nobody waits longer for a connection, nor for an answer of a database that is silent.
   * Left out: two seconds for a connection, and for an answer as long as it takes.
   */
  patience?: number
  /** Milliseconds after which the server ends a statement; none for the worker's long ones. */
  statementTimeout?: number
  /** Told when a connection is lost. */
  onError?: (error: Error) => void
}

/**
 * A pool of connections in UTC: `P27D` in a zone with summer time is not 27 times 24 hours.
 * `bigint` is read as a number: ids and counts stay below 2^53 (a check constraint holds ids to it).
 */
export function connect(connectionString: string, options: ConnectOptions = {}): Db {
  return new Kysely<Schema>({
    dialect: new PostgresDialect({ pool: openPool(connectionString, options) }),
  })
}

/** `settings` are more of the server's own, for these connections alone. */
export function openPool(
  connectionString: string,
  { max = 10, patience, statementTimeout, onError = () => {} }: ConnectOptions,
  settings: Record<string, string> = {},
): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max,
    connectionTimeoutMillis: patience ?? 2_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options: Object.entries({ timezone: 'UTC', ...settings })
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    // Whoever vanishes in a transaction, and could not say so, leaves no locks behind for longer.
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser: parserOf },
    ...(statementTimeout && { statement_timeout: statementTimeout }),
  })
  // A connection that the server drops is replaced on next use, and whoever was using it is told by their query;
  // unheard, its `error` event would end the process: of an idle one on the pool, of one in use on itself.
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', onError))
  if (patience !== undefined) endOnSilence(pool, patience)
  return pool
}

function parserOf(oid: number, format?: 'text' | 'binary') {
  return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
}
