import { openPool } from '@lethe/db'
import { createPostgresBackend, type PostgresConnectionOptions, Queue, runMigrations } from 'bullmq'
import type pg from 'pg'
import type { Backend } from './backend.ts'
import { ClosableWorker } from './closable-worker.ts'

const SCHEMA = 'bullmq'
const LOOK_EVERY_SECONDS = 5

/** BullMQ on PostgreSQL, in a schema of its own that it makes and migrates itself. */
export async function postgresBackend(
  connectionString: string,
  onError: (error: Error) => void,
): Promise<Backend> {
  // Each worker's LISTEN connection is one of these.
  const pool = openPool(connectionString, { max: 8, searchPath: SCHEMA, onError })
  try {
    await migrate(pool)
  } catch (error) {
    await pool.end()
    throw error
  }
  // BullMQ describes a pool in words of its own, which those of `@types/pg` do not meet.
  const connection = pool as unknown as PostgresConnectionOptions
  return {
    queue: (name, options) => new Queue(name, { ...options, connection }, createPostgresBackend),
    async worker(name, run, options) {
      const worker = new ClosableWorker(
        name,
        run,
        { ...options, connection, autorun: false },
        watchfulBackend,
      )
      // A worker whose first look at the database fails never looks again.
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
 * After an error BullMQ's worker waits for a notice for as long as its backend allows, an hour; one that came before it
 * listened again would never reach it.
 */
const watchfulBackend: typeof createPostgresBackend = (...args) =>
  Object.defineProperty(createPostgresBackend(...args), 'maximumBlockTimeout', {
    value: LOOK_EVERY_SECONDS,
  })

async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, SCHEMA)
  } finally {
    client.release()
  }
}
