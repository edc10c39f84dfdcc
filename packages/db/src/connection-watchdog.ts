import pg from 'pg'
import { destroyConnection } from './destroy-connection.ts'

/** A timer that fires later than this was delayed by its own process. */
const MAX_TIMER_DELAY_MS = 100

/**
 * Destroys all connections of a pool once its database stops responding, so that no caller waits on them and none is
 * reused. The server's own timeouts do not help if the server is unreachable, and a slow statement does not mean that
 * it is. Therefore, while a connection is in use, the watchdog opens a new one every third of `timeoutMs`; it must
 * answer within the other two thirds.
 */
export function watchConnection(pool: pg.Pool, timeoutMs: number): void {
  const clients = new Set<pg.PoolClient>()
  const timers = new Map<pg.PoolClient, NodeJS.Timeout>()
  let checking: Promise<boolean> | undefined

  const checkServer = async () => {
    checking ??= isSilent(pool, (timeoutMs * 2) / 3).finally(() => {
      checking = undefined
    })
    if (await checking)
      for (const client of clients) destroyConnection(client, new DatabaseTimeoutError())
  }
  pool.on('connect', (client) => clients.add(client))
  pool.on('remove', (client) => clients.delete(client))
  pool.on('acquire', (client) => {
    timers.set(client, setInterval(() => void checkServer(), timeoutMs / 3).unref())
  })
  pool.on('release', (_error, client) => {
    clearInterval(timers.get(client))
    timers.delete(client)
  })
}

/**
 * Whether a new connection gets no answer within `timeoutMs`. A rejected connection counts as an answer. If the timer
 * itself fires late, this process was blocked and could not have seen an answer, so the result is false.
 */
async function isSilent({ options }: pg.Pool, timeoutMs: number): Promise<boolean> {
  const client = new pg.Client({ ...options, connectionTimeoutMillis: 0 })
  client.on('error', () => {})
  const late = Promise.withResolvers<boolean>()
  const due = performance.now() + timeoutMs
  const timer = setTimeout(
    () => late.resolve(performance.now() < due + MAX_TIMER_DELAY_MS),
    timeoutMs,
  )
  const asked = client.connect().then(() => client.query('select 1'))
  const answered = asked.then(
    () => false,
    () => false,
  )
  const silent = await Promise.race([answered, late.promise])
  clearTimeout(timer)
  if (silent) destroyConnection(client, new DatabaseTimeoutError())
  else client.end().catch(() => {})
  return silent
}

class DatabaseTimeoutError extends Error {
  override name = 'DatabaseTimeoutError'
  readonly code = 'ETIMEDOUT'

  constructor() {
    super('the database does not answer')
  }
}
