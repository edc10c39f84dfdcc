import pg from 'pg'
import { destroyConnection } from './destroy-connection.ts'

/** A timer that fires later than this was delayed by its own process. */
const HELD_UP_MS = 100

/**
 * Destroys all connections of a pool once its database stops responding, so that no caller waits on them and none is
 * reused. The server's own timeouts do not help if the server is unreachable, and a slow statement does not mean that
 * it is. Therefore, while a connection is in use, the watchdog opens a new one every third of `timeoutMs`; it must
 * answer within the other two thirds.
 */
export function watchConnection(pool: pg.Pool, silentAfter: number): void {
  const open = new Set<pg.PoolClient>()
  const watches = new Map<pg.PoolClient, NodeJS.Timeout>()
  let asking: Promise<boolean> | undefined

  const look = async () => {
    asking ??= isSilent(pool, (silentAfter * 2) / 3).finally(() => {
      asking = undefined
    })
    if (await asking)
      for (const client of open) destroyConnection(client, new DatabaseTimeoutError())
  }
  pool.on('connect', (client) => open.add(client))
  pool.on('remove', (client) => open.delete(client))
  pool.on('acquire', (client) => {
    watches.set(client, setInterval(() => void look(), silentAfter / 3).unref())
  })
  pool.on('release', (_error, client) => {
    clearInterval(watches.get(client))
    watches.delete(client)
  })
}

/**
 * Whether a new connection gets no answer within `timeoutMs`. A rejected connection counts as an answer. If the timer
 * itself fires late, this process was blocked and could not have seen an answer, so the result is false.
 */
async function isSilent({ options }: pg.Pool, patience: number): Promise<boolean> {
  const client = new pg.Client({ ...options, connectionTimeoutMillis: 0 })
  client.on('error', () => {})
  const late = Promise.withResolvers<boolean>()
  const due = performance.now() + patience
  const timer = setTimeout(() => late.resolve(performance.now() < due + HELD_UP_MS), patience)
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
