import type pg from 'pg'
import { destroyConnection } from './destroy-connection.ts'

export interface SessionOptions {
  /** Left out: none. Every name in SQL carries its schema, so that no session default can lead it elsewhere. */
  searchPath?: string | undefined
  /** Milliseconds after which the server ends a statement. Left out: never. */
  statementTimeout?: number | undefined
  /** More settings of the server, for these connections alone. */
  settings?: Record<string, string> | undefined
}

/**
 * What a role, a database or `?options=` in the URL may have set otherwise. Each of these changes what a statement means,
 * what it returns, or whether it ends: `P27D` in a zone with summer time is not 27 times 24 hours, and `German` dates are no
 * dates to the driver.
 */
function settingsOf(
  { searchPath = '', statementTimeout = 0, settings }: SessionOptions,
  version: number,
) {
  return {
    search_path: searchPath,
    timezone: 'UTC',
    datestyle: 'ISO, MDY',
    intervalstyle: 'postgres',
    bytea_output: 'hex',
    extra_float_digits: '1',
    client_encoding: 'UTF8',
    standard_conforming_strings: 'on',
    transform_null_equals: 'off',
    array_nulls: 'on',
    quote_all_identifiers: 'off',
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    // A policy that would hide rows raises an error instead: an erasure must not take hidden rows for none.
    row_security: 'off',
    statement_timeout: `${statementTimeout}ms`,
    lock_timeout: '0',
    // A client that vanishes in a transaction leaves its locks behind for a minute at most.
    idle_in_transaction_session_timeout: '60s',
    idle_session_timeout: '0',
    ...(version >= 170_000 && { transaction_timeout: '0' }),
    ...settings,
  }
}

/**
 * Sets the session of a new connection and reads it back. Throws `UnusableDatabaseError` where this database, or what is
 * between us and it, cannot be worked with; then nothing was set. Ends the connection where it throws, since a server that
 * says nothing must not keep a pool waiting.
 */
export async function prepareSession(
  client: pg.ClientBase,
  options: SessionOptions,
  timeoutMs: number,
): Promise<void> {
  try {
    const server = await askServer(client, timeoutMs)
    checkServer(client, server)
    await setSession(client, settingsOf(options, server.version), timeoutMs)
  } catch (error) {
    destroyConnection(client)
    throw error
  }
}

interface Server {
  pid: number
  version: number
  encoding: string
  replicationRole: string
  readOnly: string
}

/** Every name is qualified: the session is still as a stranger left it. */
async function askServer(client: pg.ClientBase, timeoutMs: number): Promise<Server> {
  const { rows } = await client.query<Server>(
    within(
      timeoutMs,
      `select pg_catalog.pg_backend_pid() as pid,
        pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version,
        pg_catalog.current_setting('server_encoding') as encoding,
        pg_catalog.current_setting('session_replication_role') as "replicationRole",
        pg_catalog.current_setting('transaction_read_only') as "readOnly"`,
    ),
  )
  return rows[0] as Server
}

function checkServer(client: pg.ClientBase, server: Server): void {
  // A server tells a client its process id as they connect. A pooler makes one up, since it lends many processes.
  if ((client as pg.ClientBase & { processID: number }).processID !== server.pid)
    throw new UnusableDatabaseError(
      'DATABASE_URL leads through a connection pooler (PgBouncer or the like), where the settings of our sessions would leak to its other clients',
      'give the address of the PostgreSQL server itself',
    )
  const fault = serverFault(server)
  if (fault) throw fault
}

/** What this server, or the role on it, lacks. */
export function serverFault(server: Omit<Server, 'pid'>): Error | undefined {
  const { version, encoding, replicationRole, readOnly } = server
  if (version < 150_000)
    return new UnusableDatabaseError(
      `DATABASE_URL leads to PostgreSQL ${Math.floor(version / 10_000)}`,
      'upgrade it to PostgreSQL 15 or newer',
    )
  if (encoding !== 'UTF8')
    return new UnusableDatabaseError(
      `The database that DATABASE_URL names is encoded in ${encoding}, which has no room for the text of all people`,
      "make one with: create database … encoding 'UTF8' template template0",
    )
  if (replicationRole !== 'origin')
    return new UnusableDatabaseError(
      `session_replication_role is ${replicationRole} for the role of DATABASE_URL, so that no trigger fires`,
      'alter role … reset session_replication_role',
    )
  if (readOnly === 'on') return new DatabaseReadOnlyError()
}

async function setSession(
  client: pg.ClientBase,
  settings: Record<string, string>,
  timeoutMs: number,
): Promise<void> {
  const names = Object.keys(settings)
  const values = Object.values(settings)
  const { rows: set } = await client.query<Record<'name' | 'value', string>>({
    ...within(timeoutMs, SET),
    values: [names, values],
  })
  const { rows: kept } = await client.query<Record<'name' | 'value', string>>({
    ...within(timeoutMs, READ),
    values: [names],
  })
  const now = new Map(kept.map(({ name, value }) => [name, value]))
  const lost = set.find(({ name, value }) => now.get(name) !== value)
  if (lost)
    throw new UnusableDatabaseError(
      `The database that DATABASE_URL names does not keep the setting ${lost.name} of a session`,
      'give the address of the PostgreSQL server itself',
    )
}

// Parsed in the session that a stranger left, so every name is qualified here too.
const SET = `select name, pg_catalog.set_config(name, value, false) as value
  from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted (name, value)`
const READ = `select name, pg_catalog.current_setting(name) as value from pg_catalog.unnest($1::pg_catalog.text[]) as name`

function within(timeoutMs: number, text: string) {
  return { text, query_timeout: timeoutMs }
}

/** This database, or the way to it, cannot be worked with as it is. The message is one line that says what to do. */
export class UnusableDatabaseError extends Error {
  override name = 'UnusableDatabaseError'
  readonly what: string
  readonly remedy: string

  constructor(what: string, remedy: string) {
    super(`${what}: ${remedy}.`)
    this.what = what
    this.remedy = remedy
  }
}

/** A standby, or a database that its operator or host has set to read only. That may pass: it is tried again. */
export class DatabaseReadOnlyError extends Error {
  override name = 'DatabaseReadOnlyError'
  readonly code = '25006'

  constructor() {
    super('The database is read-only.')
  }
}
