import type pg from 'pg'
import { destroyConnection } from './destroy-connection.ts'

export interface SessionOptions {
  /** Default: empty. Every name in SQL carries its schema, so that no session default can redirect it. */
  searchPath?: string | undefined
  /** Milliseconds after which the server cancels a statement. Default: never. */
  statementTimeout?: number | undefined
  /** Additional server settings for these connections. */
  settings?: Record<string, string> | undefined
}

/**
 * Overrides settings that a role, a database or `?options=` in the URL may have changed. Each of them changes what a
 * statement means, what it returns, or whether it ends: `P27D` in a zone with daylight saving time is not 27 times 24
 * hours, and the driver cannot parse `German` dates.
 */
function buildSettings(
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
    // A policy that would hide rows raises an error: an erasure must not overlook hidden rows.
    row_security: 'off',
    statement_timeout: `${statementTimeout}ms`,
    lock_timeout: '0',
    // If a client vanishes during a transaction, the server releases its locks after a minute.
    idle_in_transaction_session_timeout: '60s',
    idle_session_timeout: '0',
    ...(version >= 170_000 && { transaction_timeout: '0' }),
    ...settings,
  }
}

/**
 * Sets the session of a new connection and reads it back. Throws `UnusableDatabaseError` or `DatabaseReadOnlyError` if Lethe
 * cannot work with this database or with a proxy in front of it. Destroys the connection before it throws, because a
 * server that does not respond must not block the pool.
 */
export async function prepareSession(
  client: pg.ClientBase,
  options: SessionOptions,
  timeoutMs: number,
): Promise<void> {
  try {
    const server = await inspectServer(client, timeoutMs)
    checkServer(client, server)
    await setSession(client, buildSettings(options, server.version), timeoutMs)
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

/** Every name is qualified, because the session still has foreign settings. */
async function inspectServer(client: pg.ClientBase, timeoutMs: number): Promise<Server> {
  const { rows } = await client.query<Server>(
    withQueryTimeout(
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
  // A server sends its process id when a client connects. A pooler invents one, because it shares several processes.
  if ((client as pg.ClientBase & { processID: number }).processID !== server.pid)
    throw new UnusableDatabaseError(
      'DATABASE_URL leads through a connection pooler (PgBouncer or the like), where the settings of our sessions would leak to its other clients',
      'give the address of the PostgreSQL server itself',
    )
  const fault = findServerFault(server)
  if (fault) throw fault
}

/** Returns an error if this server, or the role on it, cannot be used. */
export function findServerFault(server: Omit<Server, 'pid'>): Error | undefined {
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
    ...withQueryTimeout(timeoutMs, SET),
    values: [names, values],
  })
  const { rows: kept } = await client.query<Record<'name' | 'value', string>>({
    ...withQueryTimeout(timeoutMs, READ),
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

// Every name is qualified, because PostgreSQL parses this while the session still has foreign settings.
const SET = `select name, pg_catalog.set_config(name, value, false) as value
  from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted (name, value)`
const READ = `select name, pg_catalog.current_setting(name) as value from pg_catalog.unnest($1::pg_catalog.text[]) as name`

function withQueryTimeout(timeoutMs: number, text: string) {
  return { text, query_timeout: timeoutMs }
}

/** Lethe cannot work with this database or with the connection to it. The message is one line that says what to do. */
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

/** The server is a standby, or an operator set the database to read-only. This can change, so callers retry. */
export class DatabaseReadOnlyError extends Error {
  override name = 'DatabaseReadOnlyError'
  readonly code = '25006'

  constructor() {
    super('The database is read-only.')
  }
}
