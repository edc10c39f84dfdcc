import pg from 'pg'
import { watchConnection } from './connection-watchdog.ts'
import { prepareSession, type SessionOptions } from './session.ts'

export interface ConnectOptions extends SessionOptions {
  /** Maximum number of connections. */
  max?: number
  /**
   * Maximum wait in milliseconds for a connection, and for an answer of a database that does not respond. Default:
   * two seconds for a connection, and no limit for an answer.
   */
  timeoutMs?: number
  /** Called when a connection is lost. */
  onError?: (error: Error) => void
}

/** The pool hands out a new connection only after `session.ts` has prepared its session. */
export function openPool(
  connectionString: string,
  options: ConnectOptions & Pick<pg.PoolConfig, 'types'>,
): pg.Pool {
  const { max = 10, timeoutMs, onError = () => {}, types } = options
  const connectTimeoutMs = timeoutMs ?? CONNECT_TIMEOUT_MS
  const pool = new pg.Pool({
    ...connectionConfig(connectionString, connectTimeoutMs),
    max,
    onConnect: (client) => prepareSession(client, options, connectTimeoutMs),
    ...(types && { types }),
  })
  // The pool replaces a dropped connection on next use, and its user learns of the loss from the rejected query. An
  // unhandled `error` event would end the process: the pool emits it for an idle connection, the client for one in
  // use.
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', onError))
  if (timeoutMs !== undefined) watchConnection(pool, timeoutMs)
  return pool
}

/** Opens a single connection outside any pool, for LISTEN. */
export async function openClient(
  connectionString: string,
  { onError = () => {}, ...options }: Pick<ConnectOptions, 'onError'> & SessionOptions = {},
): Promise<pg.Client> {
  const client = new pg.Client(connectionConfig(connectionString, CONNECT_TIMEOUT_MS))
  client.on('error', onError)
  await client.connect()
  await prepareSession(client, options, CONNECT_TIMEOUT_MS)
  return client
}

const CONNECT_TIMEOUT_MS = 2_000

function connectionConfig(connectionString: string, connectionTimeoutMillis: number) {
  return {
    connectionString: requireVerifiedCertificates(connectionString),
    connectionTimeoutMillis,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
}

/**
 * In this driver `sslmode=require` verifies the certificate and its name. A later version follows libpq, where it
 * verifies nothing. `verify-full` keeps the meaning and stops the driver from warning of the change at every start.
 */
function requireVerifiedCertificates(connectionString: string): string {
  if (/[?&]uselibpqcompat=true(&|$)/.test(connectionString)) return connectionString
  return connectionString.replace(
    /([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/,
    '$1verify-full',
  )
}
