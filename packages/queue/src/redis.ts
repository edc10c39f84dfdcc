import { Queue } from 'bullmq'
import type { Backend } from './backend.ts'
import { ClosableWorker } from './closable-worker.ts'
import { connectRedis, type RedisConnection, type RedisConnectionOptions } from './connect-redis.ts'

const RETRY_AT_MOST_MS = 1_000
const ANSWER_WITHIN_MS = 5_000
// BullMQ waits five seconds at a time for a job, and the server is silent then.
const SILENT_AT_MOST_MS = 7_000
// Only so that the first call finds it there, where it is there.
const CONNECTED_WITHIN_MS = 1_000
const ENDED_WITHIN_MS = 1_500

/** BullMQ on Redis or Valkey. It need not be there yet, and may go away, come back or move to another master. */
export async function redisBackend(url: string, onError: (error: Error) => void): Promise<Backend> {
  const connections: RedisConnection[] = []
  let closing = false
  const retryStrategy = (times: number) =>
    closing ? null : Math.min(times * 100, RETRY_AT_MOST_MS)
  const connect = (options: Omit<RedisConnectionOptions, 'retryStrategy'>) => {
    const connection = connectRedis(url, { ...options, retryStrategy })
    // A single Sentinel or node that fails is told of by an event of its own, and often knows more than the sum.
    for (const event of ['error', 'sentinelError', 'node error']) connection.on(event, onError)
    connection.on('ready', () => {
      if (closing) connection.disconnect()
    })
    connections.push(connection)
    return connection
  }
  // Commands fail at once while the server is away: nothing may be lent to a queue that takes no jobs.
  const producer = connect({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_WITHIN_MS,
    socketTimeout: ANSWER_WITHIN_MS,
  })
  // Workers wait for the server instead. BullMQ duplicates this connection for each of them, and loses hold of the
  // duplicate when it is closed while the server is away: made here, it can be ended here.
  const patience = { maxRetriesPerRequest: null, socketTimeout: SILENT_AT_MOST_MS }
  const consumer = connect(patience)
  consumer.duplicate = (): never => connect(patience) as never
  await told(producer, 'ready', CONNECTED_WITHIN_MS)

  return {
    queue(name, options) {
      // A queue made before its connection is ready would wait for ever, or stay broken.
      if (producer.status !== 'ready') throw new Error('Redis is not reachable')
      return new Queue(tagged(name), { ...options, connection: producer })
    },
    async worker(name, run, options) {
      const worker = new ClosableWorker(tagged(name), run, {
        ...{ ...options, connection: consumer },
        autorun: false,
      })
      // Not waited for, since Redis need not be there yet; but begun only then: a worker that the server lets in without
      // letting it look around would ask for jobs without a pause, and nothing else would run any more.
      worker
        .waitUntilReady()
        .then(() => worker.run())
        .catch(onError)
      return worker
    },
    async close() {
      closing = true
      await Promise.all(connections.map(end))
    },
  }
}

/** A cluster keeps the keys of a queue together for what stands in braces; everywhere else these are letters like others. */
function tagged(name: string): string {
  return `{${name}}`
}

/**
 * Disconnected while it has no server, a connection would tell nobody of its end, and BullMQ may have done just that: it
 * would wait for ever, with timers running. So one more try is made, the last, which does tell. By its status a cluster
 * may be closing that has ended long since.
 */
async function end(connection: RedisConnection): Promise<void> {
  if (connection.status === 'end') return
  const tells = ['connecting', 'connect', 'ready'].includes(connection.status)
  connection.disconnect()
  if (!tells) connection.connect().catch(() => {})
  await told(connection, 'end', ENDED_WITHIN_MS)
}

/** Waits for the event, but no longer than that. */
function told(connection: RedisConnection, event: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, ms)
    connection.once(event, () => {
      clearTimeout(late)
      resolve()
    })
  })
}
