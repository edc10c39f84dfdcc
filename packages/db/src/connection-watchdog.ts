import pg from 'pg'
import { destroyConnection } from './destroy-connection.ts'

/** A timer that is so late was held up by its own process. */
const HELD_UP_MS = 100

/**
 * Ends all connections of a pool once its database says nothing any more: nobody waits on them, and none is used again.
 * The server's own limits do not help against its silence, and a statement that is slow is no silence: while somebody
 * holds a connection a new one is tried every third of `silentAfter` milliseconds, and has the rest of them to be
 * answered on.
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
 * Whether a new connection gets no answer in this time. Any is one: a server that refuses is not silent. And a process
 * that was itself held up for so long that its timer is late has heard nothing, and can say nothing of the server.
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
