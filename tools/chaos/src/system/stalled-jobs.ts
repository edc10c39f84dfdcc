import { jobNames } from '@lethe/queue'
import { createPostgresBackend, type PostgresConnectionOptions, QueueEvents } from 'bullmq'
import pg from 'pg'
import type { Environment } from './environment.ts'

/** Counts the jobs that BullMQ found stalled: a worker that is gone had fetched them and not finished. */
export async function watchStalledJobs(
  environment: Environment,
): Promise<{ count(): number; close(): Promise<void> }> {
  let stalled = 0
  const pool = environment.redis ? undefined : bullmqPool(environment.databaseUrl)
  const events = jobNames.map((job) => {
    const name = `lethe-${job}`
    if (!pool) return new QueueEvents(name, { connection: { url: environment.redis?.url ?? '' } })
    const connection = pool as unknown as PostgresConnectionOptions
    return new QueueEvents(name, { connection }, createPostgresBackend)
  })
  for (const each of events) {
    each.on('error', () => {})
    each.on('stalled', () => stalled++)
    await each.waitUntilReady()
  }
  return {
    count: () => stalled,
    async close() {
      await Promise.all(events.map((each) => each.close()))
      await pool?.end()
    },
  }
}

function bullmqPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 6, options: '-c search_path=bullmq' })
  pool.on('error', () => {})
  return pool
}
