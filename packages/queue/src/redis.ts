import { Queue } from 'bullmq'
import type { Backend } from './backend.ts'
import { ClosableWorker } from './closable-worker.ts'
import { connectRedis, type RedisConnection, type RedisConnectionOptions } from './connect-redis.ts'

const MAX_RETRY_INTERVAL_MS = 1_000
const COMMAND_TIMEOUT_MS = 5_000
// BullMQ's blocking wait for a job lasts five seconds, during which the server sends nothing.
const CONSUMER_SOCKET_TIMEOUT_MS = 7_000
// Waits so that the first call finds the server connected, if it is up.
const INITIAL_CONNECT_TIMEOUT_MS = 1_000
const END_TIMEOUT_MS = 1_500

/**
 * BullMQ on Redis or Valkey. The server need not be up yet, and may go down, come back, or fail over to another
 * master.
 */
export async function redisBackend(url: string, onError: (error: Error) => void): Promise<Backend> {
  const connections: RedisConnection[] = []
  let closing = false
  const retryStrategy = (times: number) =>
    closing ? null : Math.min(times * 100, MAX_RETRY_INTERVAL_MS)
  const connect = (options: Omit<RedisConnectionOptions, 'retryStrategy'>) => {
    const connection = connectRedis(url, { ...options, retryStrategy })
    // A failing Sentinel or node has its own event, which often has a better message than the overall error.
    for (const event of ['error', 'sentinelError', 'node error']) connection.on(event, onError)
    connection.on('ready', () => {
      if (closing) connection.disconnect()
    })
    connections.push(connection)
    return connection
  }
  // Commands fail at once while the server is down: no rows may be leased for a queue that accepts no jobs.
  const producer = connect({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: COMMAND_TIMEOUT_MS,
  })
  // Workers wait for the server instead. BullMQ duplicates this connection for each worker, and loses track of the
  // duplicate if it is closed while the server is down. Creating the duplicate here allows ending it here.
  const consumerOptions = { maxRetriesPerRequest: null, socketTimeout: CONSUMER_SOCKET_TIMEOUT_MS }
  const consumer = connect(consumerOptions)
  consumer.duplicate = (): never => connect(consumerOptions) as never
  await waitForEvent(producer, 'ready', INITIAL_CONNECT_TIMEOUT_MS)

  return {
    queue(name, options) {
      // A queue created before its connection is ready would wait forever, or stay broken.
      if (producer.status !== 'ready') throw new Error('Redis is not reachable')
      return new Queue(addHashTag(name), { ...options, connection: producer })
    },
    async worker(name, run, options) {
      const worker = new ClosableWorker(addHashTag(name), run, {
        ...options,
        connection: consumer,
        autorun: false,
      })
      // Does not wait, because Redis may not be up yet. The worker starts only after this check: a worker that may
      // connect but lacks the rights to read would poll without pause and starve the process.
      worker
        .waitUntilReady()
        .then(() => worker.run())
        .catch(onError)
      return worker
    },
    async close() {
      closing = true
      await Promise.all(connections.map(endConnection))
    },
  }
}

/**
 * A cluster stores all keys with the same text in braces on one node. Other servers treat braces as plain characters.
 */
function addHashTag(name: string): string {
  return `{${name}}`
}

/**
 * A connection that is disconnected while it has no server emits no `end`, and BullMQ may have done just that: this
 * code would wait forever, with timers running. One last connection attempt emits it. A cluster may report the status
 * `closing` long after it has ended.
 */
async function endConnection(connection: RedisConnection): Promise<void> {
  if (connection.status === 'end') return
  const emitsEnd = ['connecting', 'connect', 'ready'].includes(connection.status)
  connection.disconnect()
  if (!emitsEnd) connection.connect().catch(() => {})
  await waitForEvent(connection, 'end', END_TIMEOUT_MS)
}

/** Waits for the event, `ms` milliseconds at most. */
function waitForEvent(connection: RedisConnection, event: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, ms)
    connection.once(event, () => {
      clearTimeout(late)
      resolve()
    })
  })
}
