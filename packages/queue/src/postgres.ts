import { openPool } from '@lethe/db'
import { createPostgresBackend, type PostgresConnectionOptions, Queue, runMigrations } from 'bullmq'
import type pg from 'pg'
import type { Backend } from './backend.ts'
import { ClosableWorker } from './closable-worker.ts'

const SCHEMA = 'bullmq'
const POLL_INTERVAL_SECONDS = 5

/** BullMQ on PostgreSQL, in its own schema, which BullMQ creates and migrates. */
export async function postgresBackend(
  connectionString: string,
  onError: (error: Error) => void,
): Promise<Backend> {
  // The LISTEN connection of each worker comes from this pool.
  const pool = openPool(connectionString, { max: 8, searchPath: SCHEMA, onError })
  try {
    await migrate(pool)
  } catch (error) {
    await pool.end()
    throw error
  }
  // BullMQ declares its own type for a pool, which does not match that of `@types/pg`.
  const connection = pool as unknown as PostgresConnectionOptions
  return {
    queue: (name, options) => new Queue(name, { ...options, connection }, createPostgresBackend),
    async worker(name, run, options) {
      const worker = new ClosableWorker(
        name,
        run,
        { ...options, connection, autorun: false },
        createPollingBackend,
      )
      // A worker whose first query fails never queries again.
      await worker.waitUntilReady()
      worker.run().catch(onError)
      return worker
    },
    close: async () => {
      if (!pool.ending) await pool.end()
    },
  }
}

/**
 * After an error BullMQ's worker waits for a notification for as long as its backend allows, which is an hour. It
 * would miss a notification that was sent before it listened again.
 */
const createPollingBackend: typeof createPostgresBackend = (...args) =>
  Object.defineProperty(createPostgresBackend(...args), 'maximumBlockTimeout', {
    value: POLL_INTERVAL_SECONDS,
  })

async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, SCHEMA)
  } finally {
    client.release()
  }
}
