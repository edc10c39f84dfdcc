import {
  createPostgresBackend,
  type PostgresConnectionOptions,
  Queue,
  runMigrations,
  Worker,
} from 'bullmq'
import pg from 'pg'
import type { Backend } from './backend.ts'

const SCHEMA = 'bullmq'

/** BullMQ on PostgreSQL, in a schema of its own that it makes and migrates itself. */
export async function postgresBackend(
  connectionString: string,
  onError: (error: Error) => void,
): Promise<Backend> {
  const pool = new pg.Pool({
    connectionString,
    max: 8,
    connectionTimeoutMillis: 2_000,
    // Each worker's LISTEN connection is one of these: without keepalive its loss could go unnoticed.
    keepAlive: true,
    options: `-c search_path=${SCHEMA} -c timezone=UTC`,
  })
  // One that breaks while it is idle, and one that breaks while BullMQ holds it: unheard, either would end the process.
  pool.on('error', onError)
  pool.on('connect', (client) => client.on('error', onError))
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
      const worker = new Worker(
        name,
        run,
        { ...options, connection, autorun: false },
        createPostgresBackend,
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

async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, SCHEMA)
  } finally {
    client.release()
  }
}
