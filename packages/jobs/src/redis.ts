import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Backend } from './backend.ts'

const RETRY_AT_MOST_MS = 1_000
const ANSWER_WITHIN_MS = 5_000

/** BullMQ on Redis or Valkey. It need not be there yet, and may go away and come back. */
export function redisBackend(url: string, onError: (error: Error) => void): Backend {
  const retryStrategy = (times: number) => Math.min(times * 100, RETRY_AT_MOST_MS)
  // Commands fail at once while the server is away: nothing may be lent to a queue that takes no jobs.
  const producer = new Redis(url, {
    retryStrategy,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_WITHIN_MS,
  })
  // The worker waits for the server instead; BullMQ makes its blocking connection from this one.
  const consumer = new Redis(url, { retryStrategy, maxRetriesPerRequest: null })
  for (const connection of [producer, consumer]) connection.on('error', onError)

  return {
    queue(name, options) {
      // A queue made before its connection is ready would wait for ever, or stay broken.
      if (producer.status !== 'ready') throw new Error('Redis is not reachable')
      return new Queue(name, { ...options, connection: producer })
    },
    worker: async (name, run, options) =>
      new Worker(name, run, { ...options, connection: consumer }),
    async close() {
      producer.disconnect()
      consumer.disconnect()
    },
  }
}
