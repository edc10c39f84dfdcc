import { setTimeout } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import type { Backend } from './backend.ts'

const RETRY_AT_MOST_MS = 1_000
const ANSWER_WITHIN_MS = 5_000
// Only so that the first call finds it there, where it is there.
const CONNECTED_WITHIN_MS = 1_000

/** BullMQ on Redis or Valkey. It need not be there yet, and may go away and come back. */
export async function redisBackend(url: string, onError: (error: Error) => void): Promise<Backend> {
  const connections: Redis[] = []
  let closing = false
  const retryStrategy = (times: number) =>
    closing ? null : Math.min(times * 100, RETRY_AT_MOST_MS)
  const connect = (options: Omit<RedisOptions, 'replyMapping'>): Redis => {
    const connection = new Redis(url, { ...options, retryStrategy })
    connection.on('error', onError)
    connections.push(connection)
    return connection
  }
  // Commands fail at once while the server is away: nothing may be lent to a queue that takes no jobs.
  const producer = connect({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_WITHIN_MS,
  })
  // Workers wait for the server instead. BullMQ duplicates this connection for each of them, and loses hold of the
  // duplicate when it is closed while the server is away: made here, it can be ended here.
  const patience = { maxRetriesPerRequest: null }
  const consumer = connect(patience)
  consumer.duplicate = (options) => connect({ ...patience, ...options })
  await Promise.race([
    new Promise((resolve) => producer.once('ready', resolve)),
    setTimeout(CONNECTED_WITHIN_MS),
  ])

  return {
    queue(name, options) {
      // A queue made before its connection is ready would wait for ever, or stay broken.
      if (producer.status !== 'ready') throw new Error('Redis is not reachable')
      return new Queue(name, { ...options, connection: producer })
    },
    worker: async (name, run, options) =>
      new Worker(name, run, { ...options, connection: consumer }),
    async close() {
      closing = true
      await Promise.all(connections.map(end))
    },
  }
}

/** One that waits to try again ends by itself after that try: disconnected now, it would tell nobody of its end. */
async function end(connection: Redis): Promise<void> {
  if (connection.status === 'end') return
  const ended = new Promise((resolve) => connection.once('end', resolve))
  if (connection.status !== 'reconnecting') connection.disconnect()
  await ended
}
