import pg from 'pg'
import { watchConnection } from './connection-watchdog.ts'
import { prepareSession, type SessionOptions } from './session.ts'

export interface ConnectOptions extends SessionOptions {
  /** Connections at most. */
  max?: number
  /**
   * Milliseconds for which nobody waits longer for a connection, nor for an answer of a database that is silent.
   * Left out: two seconds for a connection, and for an answer as long as it takes.
   */
  patience?: number
  /** Told when a connection is lost. */
  onError?: (error: Error) => void
}

/** A new connection is handed out once its session is set, and only then: see `session.ts`. */
export function openPool(
  connectionString: string,
  options: ConnectOptions & Pick<pg.PoolConfig, 'types'>,
): pg.Pool {
  const { max = 10, patience, onError = () => {}, types } = options
  const connectWithin = patience ?? CONNECT_TIMEOUT_MS
  const pool = new pg.Pool({
    ...connectionConfig(connectionString, connectWithin),
    max,
    onConnect: (client) => prepareSession(client, options, connectWithin),
    ...(types && { types }),
  })
  // A connection that the server drops is replaced on next use, and whoever was using it is told by their query;
  // unheard, its `error` event would end the process: of an idle one on the pool, of one in use on itself.
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', onError))
  if (patience !== undefined) watchConnection(pool, patience)
  return pool
}

/** One connection that no pool can take away, for LISTEN. */
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
    connectionString: verifyingCertificates(connectionString),
    connectionTimeoutMillis,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
}

/**
 * `sslmode=require` verifies the certificate and its name, in this driver as of now. A later version follows libpq, where it
 * verifies nothing: the mode that says so keeps the meaning, and the driver from warning of the change at every start.
 */
function verifyingCertificates(connectionString: string): string {
  if (/[?&]uselibpqcompat=true(&|$)/.test(connectionString)) return connectionString
  return connectionString.replace(
    /([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/,
    '$1verify-full',
  )
}
