import { type JobName, jobNames } from '@lethe/queue'
import { type ConnectionOptions, createPostgresBackend, Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'

export interface QueueClient {
  queues: Record<JobName, Queue>
  /** Undefined when the queue is in PostgreSQL. */
  redis: Redis | undefined
  close(): Promise<void>
}

/** Opens the queues of a running worker with a plain BullMQ client, which knows nothing of rows and leases. */
export async function openQueueClient(where: {
  redis: { url: string } | undefined
  databaseUrl: string
}): Promise<QueueClient> {
  if (where.redis) {
    const redis = new Redis(where.redis.url, { maxRetriesPerRequest: null })
    redis.on('error', () => {})
    const queues = byName((name) => new Queue(`{${name}}`, { connection: redis }))
    return { queues, redis, close: async () => redis.disconnect() }
  }
  const pool = new pg.Pool({
    connectionString: where.databaseUrl,
    max: 4,
    options: '-c search_path=bullmq',
  })
  pool.on('error', () => {})
  const connection = pool as unknown as ConnectionOptions
  const queues = byName(
    (name) => new Queue(name, { connection }, createPostgresBackend as unknown as undefined),
  )
  return { queues, redis: undefined, close: () => pool.end() }
}

function byName(open: (name: string) => Queue): Record<JobName, Queue> {
  const pairs = jobNames.map((name) => {
    const queue = open(`lethe-${name}`)
    queue.on('error', () => {})
    return [name, queue]
  })
  return Object.fromEntries(pairs) as Record<JobName, Queue>
}
